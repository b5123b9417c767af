// Command sim runs the deterministic simulator: many seeds, one seed, a failing
// one made short, or the planted bugs.
package main

import (
	"os"

	"github.com/hotstick/hotstick/internal/sim/simcmd"
)

func main() { os.Exit(simcmd.Main(os.Args[1:], os.Stdout, os.Stderr)) }
