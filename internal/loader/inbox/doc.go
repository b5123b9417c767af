// Package inbox reads what others have put into files for a loader: the catalog and the
// identity that its agent has staged, and recalls that somebody has brought by hand.
// None of it is trusted before it is verified.
package inbox
