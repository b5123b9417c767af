// Package kev reads CISA's catalog of known exploited vulnerabilities, in JSON.
package kev

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/integrate/advisories/document"
	"github.com/hotstick/hotstick/internal/strictjson"
)

type catalog struct {
	Version         string    `json:"catalogVersion"`
	Released        time.Time `json:"dateReleased"`
	Count           int       `json:"count"`
	Vulnerabilities []entry   `json:"vulnerabilities"`
}

type entry struct {
	CVE        string `json:"cveID"`
	Name       string `json:"vulnerabilityName"`
	Added      string `json:"dateAdded"`
	Due        string `json:"dueDate"`
	Ransomware string `json:"knownRansomwareCampaignUse"`
}

const maxEntries = 100_000

// Read reads a whole catalog. One wrong entry refuses all of it: what is missing from a
// catalog reads as not exploited.
func Read(data []byte) (document.Document, error) {
	var c catalog
	if err := strictjson.UnmarshalForeign(data, document.MaxMemory, &c); err != nil {
		return document.Document{}, fmt.Errorf("cannot read the catalog of exploited vulnerabilities: %w", err)
	}
	switch n := len(c.Vulnerabilities); {
	case c.Version == "" || len(c.Version) > 80 || c.Released.IsZero():
		return document.Document{}, errors.New("cannot read a catalog of exploited vulnerabilities without its version and date")
	case n == 0 || n > maxEntries:
		return document.Document{}, fmt.Errorf("cannot read a catalog of %d exploited vulnerabilities: want 1 to %d", n, maxEntries)
	case n != c.Count:
		return document.Document{}, fmt.Errorf("cannot read a catalog of %d exploited vulnerabilities that says it has %d", n, c.Count)
	}
	seen := make(map[string]bool, len(c.Vulnerabilities))
	known := make([]hotstick.Vulnerability, 0, len(c.Vulnerabilities))
	for i, e := range c.Vulnerabilities {
		v, err := e.read()
		if err == nil && seen[v.CVE] {
			err = fmt.Errorf("%s stands twice", v.CVE)
		}
		if err != nil {
			return document.Document{}, fmt.Errorf("cannot read entry %d of the catalog of exploited vulnerabilities: %w", i+1, err)
		}
		seen[v.CVE] = true
		known = append(known, v)
	}
	return document.Document{ID: "KEV " + c.Version, Series: "KEV", Modified: c.Released, Vulnerabilities: slices.Values(known)}, nil
}

func (e entry) read() (hotstick.Vulnerability, error) {
	if err := hotstick.ValidateCVE(e.CVE); err != nil {
		return hotstick.Vulnerability{}, err
	}
	added, err := time.Parse(time.DateOnly, e.Added)
	if err != nil {
		return hotstick.Vulnerability{}, fmt.Errorf("cannot use %.40q as a date", e.Added)
	}
	exploited := &hotstick.Exploited{Added: added}
	if e.Due != "" {
		if exploited.Due, err = time.Parse(time.DateOnly, e.Due); err != nil {
			return hotstick.Vulnerability{}, fmt.Errorf("cannot use %.40q as a date", e.Due)
		}
	}
	switch e.Ransomware {
	case "Known":
		exploited.Ransomware = true
	case "Unknown", "":
	default:
		return hotstick.Vulnerability{}, fmt.Errorf("cannot use %.40q for known ransomware: want Known or Unknown", e.Ransomware)
	}
	return hotstick.Vulnerability{CVE: e.CVE, Summary: document.Summary(e.Name), Exploited: exploited}, nil
}
