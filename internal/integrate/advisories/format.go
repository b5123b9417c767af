package advisories

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"unicode/utf8"

	"github.com/hotstick/hotstick/internal/integrate/advisories/csaf"
	"github.com/hotstick/hotstick/internal/integrate/advisories/document"
	"github.com/hotstick/hotstick/internal/integrate/advisories/epss"
	"github.com/hotstick/hotstick/internal/integrate/advisories/kev"
	"github.com/hotstick/hotstick/internal/integrate/advisories/osv"
)

// format is what a document is.
type format string

const (
	unknown    format = ""
	formatOSV  format = "osv"
	formatCSAF format = "csaf"
	formatKEV  format = "kev"
	formatEPSS format = "epss"
	// beside is what stands beside documents in a provider's directory: signatures,
	// checksums, lists of contents, descriptions of the provider.
	beside format = "beside"
)

// What is beside a document is told by its form.
var (
	signature = []byte("-----BEGIN PGP ")
	checksum  = regexp.MustCompile(`^[0-9a-f]{64}([0-9a-f]{64})?(\s[ *]?[^\n]{0,400})?\n?$`)
	contents  = regexp.MustCompile(`^"?[A-Za-z0-9][A-Za-z0-9._/-]{0,300}\.json"?(,"?[0-9]{4}-[^\n]{1,40})?\r?(\n|$)`)
)

// formatOf looks at the keys of the outermost object, and nothing in it.
func formatOf(data []byte) format {
	switch {
	case bytes.HasPrefix(data, []byte("#model_version:")):
		return formatEPSS
	case bytes.HasPrefix(data, signature), len(data) < 1000 && checksum.Match(data), contents.Match(data):
		return beside
	}
	keys := outermost(data)
	switch {
	case keys["document"]:
		return formatCSAF
	case keys["catalogVersion"] && keys["vulnerabilities"]:
		return formatKEV
	case keys["id"] && keys["modified"]:
		return formatOSV
	case keys["canonical_url"] && keys["publisher"], keys["feed"] && len(keys) == 1:
		return beside // provider-metadata.json, a ROLIE feed
	}
	return unknown
}

// outermost returns the first keys of a JSON object, and stops at the first that settles
// it, which in practice is the first of all.
func outermost(data []byte) map[string]bool {
	keys := map[string]bool{}
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return keys
	}
	for d.More() && len(keys) < 64 && !keys["document"] && !(keys["id"] && keys["modified"]) {
		t, err := d.Token()
		key, is := t.(string)
		if err != nil || !is {
			break
		}
		keys[key] = true
		var passed json.RawMessage
		if key == "document" || d.Decode(&passed) != nil {
			break
		}
	}
	return keys
}

func readAs(f format, data []byte, order document.Order) (document.Document, error) {
	switch f {
	case formatOSV:
		return osv.Read(data, order)
	case formatCSAF:
		return csaf.Read(data, order)
	case formatKEV:
		return kev.Read(data)
	case formatEPSS:
		return epss.Read(data)
	}
	if !utf8.Valid(data) {
		return document.Document{}, errors.New("cannot read it: it is no text")
	}
	return document.Document{}, errors.New("cannot read it: it is not in OSV, CSAF, KEV or EPSS format")
}
