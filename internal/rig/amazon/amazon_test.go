package amazon_test

import (
	"testing"

	"github.com/hotstick/hotstick/internal/rig/amazon"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

func TestEveryFileSaysThatItIsARig(t *testing.T) { rigtest.Labelled(t, amazon.Files()) }
