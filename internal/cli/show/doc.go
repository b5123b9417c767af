// Package show makes the command line's text out of the operator API's values.
//
// It is pure: it fetches nothing, reads no clock and knows no terminal; what it
// needs of them comes in as [Style]. Every string that a host or another person
// wrote passes [Clean] before it reaches a terminal, so a hostname can neither
// move the cursor nor reorder the line it stands in.
package show
