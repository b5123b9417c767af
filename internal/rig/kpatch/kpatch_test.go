package kpatch_test

import (
	"testing"

	"github.com/hotstick/hotstick/internal/rig/kpatch"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

func TestEveryFileSaysThatItIsARig(t *testing.T) { rigtest.Labelled(t, kpatch.Files()) }
