//go:build lab && planted

package loadercmd

import "github.com/hotstick/hotstick/internal/planted"

// plant switches one bug on.
func plant(bug string) { planted.Plant(bug) }
