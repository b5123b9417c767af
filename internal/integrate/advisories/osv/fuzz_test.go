package osv_test

import (
	"testing"

	"github.com/hotstick/hotstick/internal/integrate/advisories/documenttest"
	"github.com/hotstick/hotstick/internal/integrate/advisories/osv"
)

func FuzzReadOSV(f *testing.F) {
	documenttest.Fuzz(f, "../testdata/docs/osv-*.json", osv.Read)
}
