package kev_test

import (
	"testing"

	"github.com/hotstick/hotstick/internal/integrate/advisories/documenttest"
	"github.com/hotstick/hotstick/internal/integrate/advisories/kev"
)

func FuzzReadKEV(f *testing.F) {
	documenttest.Fuzz(f, "../testdata/docs/kev.json", kev.Read)
}
