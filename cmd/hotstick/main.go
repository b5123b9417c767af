// Command hotstick is the server, the command line, the console, the lab and the
// developers' start in one program. See package internal/cli for its
// conventions and exit codes.
package main

import (
	"os"

	"github.com/hotstick/hotstick/internal/cli"
)

func main() { os.Exit(cli.Main()) }
