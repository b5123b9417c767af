// Package statement holds the signed statements that people and servers make, as
// DSSE envelopes.
package statement
