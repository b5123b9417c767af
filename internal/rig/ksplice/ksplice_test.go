package ksplice_test

import (
	"testing"

	"github.com/hotstick/hotstick/internal/rig/ksplice"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

func TestEveryFileSaysThatItIsARig(t *testing.T) { rigtest.Labelled(t, ksplice.Files()) }
