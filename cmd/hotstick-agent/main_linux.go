// Command hotstick-agent connects a host with its Hotstick server.
package main

import (
	"os"

	"github.com/hotstick/hotstick/internal/agent/agentcmd"
)

func main() { os.Exit(agentcmd.Main(os.Args[1:], os.Stdout, os.Stderr)) }
