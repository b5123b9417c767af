package suse_test

import (
	"testing"

	"github.com/hotstick/hotstick/internal/rig/rigtest"
	"github.com/hotstick/hotstick/internal/rig/suse"
)

func TestEveryFileSaysThatItIsARig(t *testing.T) { rigtest.Labelled(t, suse.Files()) }
