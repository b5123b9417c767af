// Package vex writes where hosts stand with CVEs for other people's tools: as OpenVEX 0.2.0,
// which scanners and auditors read, and as a table. It is pure: the same answers are the same
// bytes, in whatever order they come, so that they can be signed as they stand.
//
// # OpenVEX
//
// A product is a host, for a hole that is fixed in memory is fixed there and nowhere else:
// its @id is BASE/hosts/ID, and its subcomponent the package that its kernel was booted from,
// as a package URL. Hosts that stand alike, by the same word, on the same kernel, share a
// statement. The states are told as:
//
//	exposed              affected, with what would close it as the action_statement
//	unknown              under_investigation: it is never called not affected
//	mitigated            not_affected, vulnerable_code_not_in_execute_path
//	fixed_by_live_patch  fixed
//	fixed_by_boot        fixed
//	not_affected         not_affected, with the source's justification or the one that follows
//	                     from the reason; with neither, an impact_statement
//
// status_notes say the rest: the reason, which patch fixed it in memory, what was booted and
// what lies on the disk, and whose word it is. That a live patch fixed it stands there
// only: VEX has no word for what is back after a boot.
//
// The document's @id is BASE/vex/ and the SHA-256 digest of the document without it. One that
// says something else is another document, so its version is always 1.
//
// # Hostile strings
//
// Names and versions come from hosts and documents. Characters that a terminal would
// obey are written as visible escapes (see package plain), and no field of the table is a
// formula.
package vex

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/plain"
)

// MaxAnswers bounds one document.
const MaxAnswers = 5_000_000

// maxAuthor bounds the author and the role, in bytes.
const maxAuthor = 256

// Answer is where one host stands with one CVE. What is not known is empty.
type Answer struct {
	Host hotstick.HostID
	// Name is the host's.
	Name   string
	CVE    string
	Reason hotstick.ExposureReason
	// Justification is the source's own.
	Justification hotstick.Justification
	// Source is whose word it is; Disputed: other sources say otherwise.
	Source   hotstick.AdvisorySource
	Disputed bool
	Kernel   Kernel
}

// Kernel is what a host runs, and what it could run.
type Kernel struct {
	Product hotstick.KernelProduct
	// Booted is the version that was booted, and Memory the level in memory where the system
	// tells one beside it.
	Booted, Memory string
	// Patch is in effect and closes it.
	Patch hotstick.PatchRef
	// OnDisk are the releases of the other kernels that are installed.
	OnDisk []string
	// Offer is a level of the catalog that would close it, and Fixed the first version that
	// does.
	Offer hotstick.PatchRef
	Fixed string
}

// Head is what a document says of itself.
type Head struct {
	// Author is who makes the statements: a person or an organisation, best by an address.
	Author, Role string
	// At is when they were true.
	At time.Time
	// Base is the server's address, such as https://hotstick.example.org.
	Base string
	// Tool is what wrote it, such as hotstick 2.1.
	Tool string
}

func (h Head) validate() error {
	u, err := url.Parse(h.Base)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(h.Base, "#") || !plain.Is(h.Base):
		return fmt.Errorf("cannot use %.80q as the address of a server: want one such as https://hotstick.example.org", h.Base)
	case strings.TrimSpace(h.Author) == "" || len(h.Author) > maxAuthor || len(h.Role) > maxAuthor:
		return fmt.Errorf("cannot write a VEX document with an author of %d and a role of %d bytes: want 1 to %d, and at most that", len(h.Author), len(h.Role), maxAuthor)
	case h.At.IsZero():
		return fmt.Errorf("cannot write a VEX document without its time")
	}
	return nil
}

// Validate reports the first thing that is malformed.
func (a Answer) Validate() error {
	if err := a.Host.Validate(); err != nil {
		return err
	}
	if err := hotstick.ValidateCVE(a.CVE); err != nil {
		return err
	}
	switch {
	case !slices.Contains(hotstick.ExposureReasons(), a.Reason):
		return fmt.Errorf("cannot use %.40q as the reason of an exposure", string(a.Reason))
	case a.Justification != "" && !slices.Contains(hotstick.Justifications(), a.Justification):
		return fmt.Errorf("cannot use %.40q as a justification: want one of %v", string(a.Justification), hotstick.Justifications())
	}
	return nil
}

// ordered are the answers by CVE and host, each once.
func ordered(answers []Answer) ([]Answer, error) {
	if len(answers) == 0 || len(answers) > MaxAnswers {
		return nil, fmt.Errorf("cannot write a document of %d answers: want 1 to %d", len(answers), MaxAnswers)
	}
	for _, a := range answers {
		if err := a.Validate(); err != nil {
			return nil, err
		}
	}
	all := slices.Clone(answers)
	slices.SortFunc(all, func(a, b Answer) int { return cmp.Or(cmp.Compare(a.CVE, b.CVE), cmp.Compare(a.Host, b.Host)) })
	for i := 1; i < len(all); i++ {
		if all[i].CVE == all[i-1].CVE && all[i].Host == all[i-1].Host {
			return nil, fmt.Errorf("cannot say twice where %s stands with %s", all[i].Host, all[i].CVE)
		}
	}
	return all, nil
}

// told is an answer in VEX's words.
type told struct{ cve, status, notes, justification, impact, action string }

func tell(a Answer) told {
	t := told{cve: a.CVE, status: "fixed", notes: notes(a)}
	switch a.Reason.State() {
	case hotstick.Exposed:
		t.status, t.action = "affected", action(a.Reason, a.Kernel)
	case hotstick.ExposureUnknown:
		t.status = "under_investigation"
	case hotstick.Mitigated:
		t.status, t.justification = "not_affected", string(hotstick.VulnerableCodeNotReachable)
	case hotstick.NotAffected:
		t.status, t.justification = "not_affected", string(cmp.Or(a.Justification, a.Reason.Justification()))
		if t.justification == "" {
			t.impact = "The source says that this kernel is not affected."
		}
	}
	return t
}

func action(r hotstick.ExposureReason, k Kernel) string {
	boot := "boot a fixed version"
	if k.Fixed != "" {
		boot = "boot " + plain.Escape(k.Fixed) + " or later"
	}
	nofix := r == hotstick.ExposedNoFix
	switch {
	case !k.Offer.IsZero() && nofix:
		return "Apply the live patch " + k.Offer.String() + "; no version to boot is fixed yet."
	case !k.Offer.IsZero():
		return "Apply the live patch " + k.Offer.String() + ", or " + boot + "."
	case nofix:
		return "No version is fixed yet."
	}
	return strings.ToUpper(boot[:1]) + boot[1:] + "."
}

// notes say what VEX has no field for. They name no host: hosts that stand alike share them.
func notes(a Answer) string {
	var all []string
	add := func(what string, is ...string) {
		is = slices.DeleteFunc(is, func(s string) bool { return s == "" })
		if len(is) > 0 {
			all = append(all, what+" "+plain.Escape(strings.Join(is, " ")))
		}
	}
	add("reason", string(a.Reason))
	switch k := a.Kernel; {
	case a.Reason == hotstick.ClosedByPatch && !k.Patch.IsZero():
		add("fixed in memory by", k.Patch.Name, fmt.Sprintf("level %d", k.Patch.Level))
	case a.Reason == hotstick.ClosedByLevel:
		add("fixed in memory by", k.Memory)
	}
	add("on disk", strings.Join(a.Kernel.OnDisk, ", "))
	add("booted", a.Kernel.Product.Distribution, a.Kernel.Product.Package, a.Kernel.Booted)
	add("by the word of", a.Source.Feed, a.Source.Document, string(a.Source.Digest))
	if a.Disputed {
		add("disputed by", "other sources")
	}
	return strings.Join(all, "; ")
}

// columns of the table.
var columns = []string{"host", "name", "cve", "state", "status", "reason", "justification", "product", "booted", "in_memory", "patch", "on_disk", "offer", "fixed", "feed", "document", "digest", "fetched", "disputed"}

// CSV writes one line for each answer, by CVE and host, the names of the columns first.
func CSV(w io.Writer, answers []Answer) error {
	all, err := ordered(answers)
	if err != nil {
		return err
	}
	rows := [][]string{columns}
	for _, a := range all {
		k, s, t := a.Kernel, a.Source, tell(a)
		row := []string{string(a.Host), a.Name, a.CVE, string(a.Reason.State()), t.status, string(a.Reason), t.justification,
			strings.TrimSpace(k.Product.Distribution + " " + k.Product.Package), k.Booted, k.Memory, level(k.Patch), strings.Join(k.OnDisk, " "), level(k.Offer), k.Fixed,
			s.Feed, s.Document, string(s.Digest), moment(s.Fetched), strconv.FormatBool(a.Disputed)}
		for i, field := range row {
			row[i] = plain.Escape(field)
		}
		rows = append(rows, row)
	}
	return plain.CSV(w, rows)
}

func level(p hotstick.PatchRef) string {
	if p.IsZero() {
		return ""
	}
	return p.String()
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
