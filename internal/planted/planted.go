//go:build !planted

// Package planted holds deliberate bugs, to prove that the simulator finds them.
// Nothing of it is in an ordinary build: there [Bug] is always false and the
// compiler drops what it guards. With the build tag planted one bug at a time can
// be switched on by name.
package planted

// Bug reports whether the named bug is switched on.
func Bug(string) bool { return false }
