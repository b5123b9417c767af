//go:build !lab

// Package failpoint names the places at which a crash is worth trying.
//
// [Here] marks one. In an ordinary build it does nothing, and the compiler drops the
// call with its name. With the build tag lab the variable HOTSTICK_FAILPOINTS arms
// points: NAME=kill ends the process as kill -9 does when it gets there, and
// NAME=kill:N the Nth time; several are separated by commas. [Points] says of each
// what state the crash leaves.
package failpoint

// Here is a point at which a lab build may end.
func Here(Name) {}
