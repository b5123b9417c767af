package debian_test

import (
	"testing"

	"github.com/hotstick/hotstick/internal/rig/debian"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

func TestEveryScriptSaysThatItIsARigs(t *testing.T) { rigtest.Labelled(t, debian.Scripts()) }
