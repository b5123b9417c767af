// Package csaf reads CSAF 2.0 documents: security advisories and VEX of Red Hat, SUSE and
// Microsoft, which use the same words for different habits.
//
// # Products
//
// A product ID stands for a kernel where the tree says, by package URL, by CPE or by the
// names of its branches, on which distribution it runs and that its package is a kernel
// (package kernels). Relationships put a part on a platform; a chain of more than four,
// and so every circle, refuses the document. Everything else is passed over.
//
// # Versions
//
// For one CVE and one kernel product, the first of these that the document has is taken:
//
//  1. ranges of known_affected (product_version_range);
//  2. everything before the fixed version: of first_fixed, else fixed, else recommended
//     (SUSE), from first_affected on where one version is given;
//  3. up to and including last_affected;
//  4. known_affected without a version, or first_affected alone: nothing is fixed.
//
// To these come the exact versions of known_affected, each alone.
//
// A product may have several fixed versions. Where it is one line, every one of them has the
// fix, so the oldest counts. A major release of Red Hat's is as many lines as it has minor
// releases, told by the first number of a kernel's release: 5.14.0-427.99.1.el9_4 is build
// 427 of 5.14.0. Of each the oldest fix counts, from any of the lists of fixes, and for what
// is newer than the minor release before:
//
//	5.14.0-427.99.1.el9_4 and 5.14.0-570.60.1.el9_6
//	are [0, 5.14.0-427.99.1.el9_4) and [5.14.0-428, 5.14.0-570.60.1.el9_6)
//
// Which version is older, the given order says. What cannot be read or ordered is said, and
// makes the advisory one that closes nothing by what it does not name (Unreadable); so does
// a fix without its version where nothing else is said.
// known_not_affected speaks of a product as a whole only where it names no version.
package csaf

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/integrate/advisories/document"
	"github.com/hotstick/hotstick/internal/strictjson"
)

type file struct {
	Document struct {
		Version  string `json:"csaf_version"`
		Tracking struct {
			ID      string    `json:"id"`
			Current time.Time `json:"current_release_date"`
		} `json:"tracking"`
	} `json:"document"`
	Tree            productTree     `json:"product_tree"`
	Vulnerabilities []vulnerability `json:"vulnerabilities"`
}

type vulnerability struct {
	CVE      string    `json:"cve"`
	Title    string    `json:"title"`
	Released time.Time `json:"release_date"`
	Flags    []flag    `json:"flags"`
	Status   status    `json:"product_status"`
	Scores   []score   `json:"scores"`
	Notes    []note    `json:"notes"`
}

type note struct {
	Category string `json:"category"`
	Text     string `json:"text"`
}

type flag struct {
	Label    string   `json:"label"`
	Products []string `json:"product_ids"`
	Groups   []string `json:"group_ids"`
}

type status struct {
	FirstAffected []string `json:"first_affected"`
	FirstFixed    []string `json:"first_fixed"`
	Fixed         []string `json:"fixed"`
	Affected      []string `json:"known_affected"`
	NotAffected   []string `json:"known_not_affected"`
	LastAffected  []string `json:"last_affected"`
	Recommended   []string `json:"recommended"`
	Investigating []string `json:"under_investigation"`
}

type score struct {
	Products []string `json:"products"`
	V3       *struct {
		Vector string `json:"vectorString"`
	} `json:"cvss_v3"`
}

const (
	maxCVEs = 3_000
	// maxGrouped bounds what the flags of a document may name by its groups: each may name
	// every group, and each group every product.
	maxGrouped = 10 * maxProducts
)

// Read reads one document. order may be nil.
func Read(data []byte, order document.Order) (document.Document, error) {
	var f file
	if err := strictjson.UnmarshalForeign(data, document.MaxMemory, &f); err != nil {
		return document.Document{}, fmt.Errorf("cannot read a CSAF document: %w", err)
	}
	id := f.Document.Tracking.ID
	switch {
	case f.Document.Version != "2.0":
		return document.Document{}, fmt.Errorf("cannot read CSAF of version %.20q: want 2.0", f.Document.Version)
	case id == "" || len(id) > 200 || f.Document.Tracking.Current.IsZero():
		return document.Document{}, errors.New("cannot read a CSAF document without its tracking ID or current release date")
	case len(f.Vulnerabilities) > maxCVEs:
		return document.Document{}, fmt.Errorf("cannot read a CSAF document of %d vulnerabilities: want at most %d", len(f.Vulnerabilities), maxCVEs)
	}
	d := document.Document{ID: id, Modified: f.Document.Tracking.Current}
	tree, err := newProducts(&f.Tree)
	if err != nil {
		return document.Document{}, fmt.Errorf("cannot read the CSAF document %.80s: %w", id, err)
	}
	r := reader{d: &d, tree: tree, order: order, groups: map[string][]string{}, seen: map[string]bool{}}
	for _, g := range f.Tree.Groups {
		r.groups[g.ID] = g.Products
	}
	for i := range f.Vulnerabilities {
		if err := r.vulnerability(&f.Vulnerabilities[i]); err != nil {
			return document.Document{}, fmt.Errorf("cannot read the CSAF document %.80s: %w", id, err)
		}
	}
	d.Vulnerabilities = slices.Values(r.known)
	return d, nil
}

type reader struct {
	d      *document.Document
	tree   *products
	order  document.Order
	groups map[string][]string
	seen   map[string]bool
	// grouped is how many products flags have named by their groups so far.
	grouped int
	known   []hotstick.Vulnerability
}

func (r *reader) vulnerability(v *vulnerability) error {
	s := stands{r: r, cve: v.CVE, at: map[hotstick.KernelProduct]*stand{}, said: map[string]word{}}
	if err := s.collect(v); err != nil {
		return err
	}
	if len(s.list) == 0 {
		return nil
	}
	if err := hotstick.ValidateCVE(v.CVE); err != nil {
		r.d.LeaveOut(v.CVE, s.list[0].key(), "%v", err)
		return nil
	}
	if r.seen[v.CVE] {
		return fmt.Errorf("%s stands twice", v.CVE)
	}
	r.seen[v.CVE] = true
	before := len(r.d.Advisories)
	if err := s.advisories(); err != nil {
		return err
	}
	if len(r.d.Advisories) > before {
		r.known = append(r.known, hotstick.Vulnerability{
			CVE: v.CVE, Summary: document.Summary(v.summary()), Published: v.Released, Scores: r.d.Scores(v.CVE, s.vectors(v.Scores)),
		})
	}
	return nil
}

func (v *vulnerability) summary() string {
	if v.Title != "" {
		return v.Title
	}
	for _, n := range v.Notes {
		if n.Category == "summary" || n.Category == "description" {
			return n.Text
		}
	}
	return ""
}
