//go:build planted

package planted

var name string

// Bug reports whether the named bug is switched on.
func Bug(which string) bool { return which == name }

// Plant switches one bug on, and all others off.
func Plant(which string) { name = which }
