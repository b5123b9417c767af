//go:build !planted

package simcmd

import (
	"fmt"
	"io"
)

// findPlanted needs a build that has them.
func findPlanted(_ flags, _, errs io.Writer) int {
	fmt.Fprintln(errs, "error: cannot plant bugs in an ordinary build; use make sim-planted")
	return exitUsage
}
