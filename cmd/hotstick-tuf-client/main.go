// Command hotstick-tuf-client is the catalog's TUF workflow under the command line
// of the TUF conformance suite.
package main

import (
	"os"

	"github.com/hotstick/hotstick/internal/cli/tufclient"
)

func main() { os.Exit(tufclient.Main(os.Args[1:], os.Stdout, os.Stderr)) }
