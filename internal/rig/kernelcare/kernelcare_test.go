package kernelcare_test

import (
	"testing"

	"github.com/hotstick/hotstick/internal/rig/kernelcare"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

func TestEveryFileSaysThatItIsARig(t *testing.T) { rigtest.Labelled(t, kernelcare.Files()) }
