package canonical_test

import (
	"testing"

	"github.com/hotstick/hotstick/internal/rig/canonical"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

func TestEveryFileSaysThatItIsARig(t *testing.T) { rigtest.Labelled(t, canonical.Files()) }
