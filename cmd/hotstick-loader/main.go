// Command hotstick-loader is the only program of Hotstick that changes a kernel.
package main

import (
	"os"

	"github.com/hotstick/hotstick/internal/loader/loadercmd"
)

func main() { os.Exit(loadercmd.Main(os.Args[1:], os.Stdout, os.Stderr)) }
