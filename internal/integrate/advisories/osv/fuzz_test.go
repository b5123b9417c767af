package osv_test

import (
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/integrate/advisories/document"
	"github.com/hotstick/hotstick/internal/integrate/advisories/documenttest"
	"github.com/hotstick/hotstick/internal/integrate/advisories/osv"
)

func FuzzReadOSV(f *testing.F) {
	order := func(_ hotstick.VersionScheme, a, b string) (int, error) { return strings.Compare(a, b), nil }
	documenttest.Fuzz(f, "../testdata/docs/osv-*.json", func(data []byte) (document.Document, error) { return osv.Read(data, order) })
}
