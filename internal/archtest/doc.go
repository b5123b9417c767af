// Package archtest holds the rules of the house as tests: which package may
// import which, which third-party library belongs to whom, that every package
// explains itself, and how large a file, function, interface or struct may grow.
//
// The import table is the floor plan of the design: a package may import what
// stands on a floor below it, or left of it on the same floor. A rule that stands
// in STYLE.md is kept by a test here or by a linter.
package archtest
