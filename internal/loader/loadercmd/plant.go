//go:build lab && !planted

package loadercmd

// plant does nothing: there are no bugs in this build.
func plant(string) {}
