// Package hotstick holds the words of the product: hosts, kernel builds,
// patches, plans and the closed sets of statuses and reasons, as plain types
// with validation.
//
// Hotstick live-patches running kernels across a fleet and never moves a patch
// to the next host without evidence. Every other package speaks in the types
// defined here, so an operator who knows these words can read the code.
//
// The package imports the standard library only. It does no input or output
// and never reads a clock: times are always given by the caller.
//
// # Encoding
//
// All types encode to JSON with snake_case names. Times are RFC 3339 in UTC
// with whole seconds where a person signs them; durations are whole seconds and
// say so in their name. Digests are written "sha256:" and 64 hexadecimal
// digits. Identifiers are opaque to everybody but the package that makes them.
package hotstick
