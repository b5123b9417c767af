package epss_test

import (
	"testing"

	"github.com/hotstick/hotstick/internal/integrate/advisories/documenttest"
	"github.com/hotstick/hotstick/internal/integrate/advisories/epss"
)

func FuzzReadEPSS(f *testing.F) {
	documenttest.Fuzz(f, "../testdata/docs/epss.csv", epss.Read)
}
