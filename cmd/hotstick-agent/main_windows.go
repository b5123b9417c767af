// Command hotstick-agent connects a host with its Hotstick server. On Windows it is the
// host's loader as well.
package main

import (
	"os"

	"github.com/hotstick/hotstick/internal/winhost"
)

func main() { os.Exit(winhost.Main(os.Args[1:], os.Stdout, os.Stderr)) }
