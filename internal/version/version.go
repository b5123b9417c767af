// Package version tells which build of Hotstick this is.
package version

import "runtime/debug"

// Version is the build's name, set by the linker (see the Makefile).
var Version = "devel"

// Revision is the commit the program was built from, if the build recorded it.
func Revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
