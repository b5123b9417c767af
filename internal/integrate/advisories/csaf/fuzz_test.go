package csaf_test

import (
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/integrate/advisories/csaf"
	"github.com/hotstick/hotstick/internal/integrate/advisories/document"
	"github.com/hotstick/hotstick/internal/integrate/advisories/documenttest"
)

func FuzzReadCSAF(f *testing.F) {
	order := func(_ hotstick.VersionScheme, a, b string) (int, error) { return strings.Compare(a, b), nil }
	documenttest.Fuzz(f, "../testdata/docs/csaf-*.json", func(data []byte) (document.Document, error) { return csaf.Read(data, order) })
}
