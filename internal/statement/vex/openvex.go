package vex

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/plain"
)

// MediaType is what an OpenVEX document is served as.
const MediaType = "application/json"

// context is the format's name, with its version.
const context = "https://openvex.dev/ns/v0.2.0"

type document struct {
	Context    string      `json:"@context"`
	ID         string      `json:"@id"`
	Author     string      `json:"author"`
	Role       string      `json:"role,omitempty"`
	Timestamp  string      `json:"timestamp"`
	Version    int         `json:"version"`
	Tooling    string      `json:"tooling,omitempty"`
	Statements []statement `json:"statements"`
}

type statement struct {
	Vulnerability struct {
		Name string `json:"name"`
	} `json:"vulnerability"`
	Products        []product `json:"products"`
	Status          string    `json:"status"`
	StatusNotes     string    `json:"status_notes,omitempty"`
	Justification   string    `json:"justification,omitempty"`
	ImpactStatement string    `json:"impact_statement,omitempty"`
	ActionStatement string    `json:"action_statement,omitempty"`
}

type product struct {
	ID            string      `json:"@id"`
	Subcomponents []component `json:"subcomponents,omitempty"`
}

type component struct {
	ID          string      `json:"@id"`
	Identifiers identifiers `json:"identifiers"`
}

type identifiers struct {
	PURL string `json:"purl"`
}

// OpenVEX writes the answers as one document.
func OpenVEX(h Head, answers []Answer) ([]byte, error) {
	if err := h.validate(); err != nil {
		return nil, err
	}
	all, err := ordered(answers)
	if err != nil {
		return nil, err
	}
	base := strings.TrimRight(h.Base, "/")
	d := document{Context: context, Author: plain.Escape(h.Author), Role: plain.Escape(h.Role), Timestamp: h.At.UTC().Truncate(time.Second).Format(time.RFC3339),
		Version: 1, Tooling: plain.Escape(h.Tool), Statements: statements(base, all)}
	raw, err := encode(d)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	d.ID = base + "/vex/" + hex.EncodeToString(sum[:])
	return encode(d)
}

// statements joins the answers that say the same. They are by CVE, so that what is said of
// one stands together, in the order in which its first host stands.
func statements(base string, all []Answer) (out []statement) {
	at := map[told]int{}
	for _, a := range all {
		t := tell(a)
		i, there := at[t]
		if !there {
			i = len(out)
			at[t] = i
			s := statement{Status: t.status, StatusNotes: t.notes, Justification: t.justification, ImpactStatement: t.impact, ActionStatement: t.action}
			s.Vulnerability.Name = t.cve
			out = append(out, s)
		}
		p := product{ID: base + "/hosts/" + string(a.Host)}
		if purl := packageURL(a.Kernel.Product, a.Kernel.Booted); purl != "" {
			p.Subcomponents = []component{{ID: purl, Identifiers: identifiers{PURL: purl}}}
		}
		out[i].Products = append(out[i].Products, p)
	}
	return out
}

func encode(d document) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("cannot write a VEX document: %w", err)
	}
	return out.Bytes(), nil
}

// vendors are the names that package URLs have for makers of distributions, by ID of
// os-release, where they are others.
var vendors = map[string]string{"rhel": "redhat", "sles": "suse", "sled": "suse", "sle-micro": "suse", "sl-micro": "suse"}

// packageURL writes a kernel's source package as a package URL (purl-spec, types deb, rpm
// and generic); empty if it is not known.
func packageURL(p hotstick.KernelProduct, version string) string {
	if p.Package == "" || version == "" {
		return ""
	}
	id, release, _ := strings.Cut(p.Distribution, ":")
	var qualifiers []string
	kind, space := "generic", ""
	switch p.Scheme {
	case hotstick.DebVersions:
		kind, space, qualifiers = "deb", id, []string{"arch=source"}
	case hotstick.RPMVersions:
		kind, space, qualifiers = "rpm", id, []string{"arch=src"}
		if name, other := vendors[id]; other {
			space = name
		}
		if epoch, rest, has := strings.Cut(version, ":"); has {
			version, qualifiers = rest, append(qualifiers, "epoch="+quote(epoch))
		}
	}
	if release != "" {
		qualifiers = append(qualifiers, "distro="+quote(id+"-"+release))
	}
	url := "pkg:" + kind + "/"
	if space != "" {
		url += quote(space) + "/"
	}
	url += quote(p.Package) + "@" + quote(version)
	if slices.Sort(qualifiers); len(qualifiers) > 0 {
		url += "?" + strings.Join(qualifiers, "&")
	}
	return url
}

// quote leaves what a package URL leaves, and writes every other byte with its number.
func quote(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~:", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}
