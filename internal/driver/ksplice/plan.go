package ksplice

import (
	"bufio"
	"fmt"
	"slices"
	"strings"

	"github.com/hotstick/hotstick/internal/shape"
)

// idShape is what an update is called.
var idShape = shape.All("a-z0-9", 8, 8)

func isID(text string) bool { return idShape.MatchString(text) }

// Plan is what a client says that it will do, in its order.
type Plan struct {
	Install, Remove []string
	// Unknown are updates that it was asked for and does not know.
	Unknown []string
}

// ParsePlan reads what uptrack-install, uptrack-remove and uptrack-upgrade, and ksplice
// for them, say with -n:
//
//	The following steps will be taken:
//	Install [hb94cdr2] CVE-2016-5195: Privilege escalation in copy-on-write memory mappings.
//	Remove [ednh9erf] CVE-2024-36904: Remote code execution in TCP/IP networking stack.
//	Aborting.
//
// or "Nothing to be done.", and before that "Unknown update ID, skipping.". What is neither
// is an error: a plan that is half understood may do anything.
func ParsePlan(text string) (Plan, error) {
	var p Plan
	nothing, planned := false, false
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		switch {
		case line == "The following steps will be taken:":
			planned = true
		case line == "Nothing to be done.":
			nothing = true
		case strings.HasPrefix(line, "Unknown update "):
			id, _, _ := strings.Cut(strings.TrimPrefix(line, "Unknown update "), ",")
			if !isID(id) {
				return Plan{}, fmt.Errorf("cannot read the plan: %.80q names no update", line)
			}
			p.Unknown = append(p.Unknown, id)
		case planned && (strings.HasPrefix(line, "Install ") || strings.HasPrefix(line, "Remove ")):
			word, rest, _ := strings.Cut(line, " ")
			u, err := parseUpdate(rest)
			if err != nil {
				return Plan{}, err
			}
			if word == "Install" {
				p.Install = append(p.Install, u.ID)
			} else {
				p.Remove = append(p.Remove, u.ID)
			}
		}
	}
	steps := len(p.Install) + len(p.Remove)
	if nothing == planned || planned != (steps > 0) || steps > MaxUpdates {
		return Plan{}, fmt.Errorf("cannot read the plan: %.200q", text)
	}
	return p, nil
}

// Update is one update as the clients show it.
type Update struct {
	ID string
	// Title is such as "CVE-2016-5195: Privilege escalation in …"; opaque.
	Title string
}

// CVEs are those that the title names.
func (u Update) CVEs() []string {
	var cves []string
	for _, word := range strings.FieldsFunc(u.Title, func(r rune) bool { return strings.ContainsRune(" ,.:;()", r) }) {
		if strings.HasPrefix(word, "CVE-") && !slices.Contains(cves, word) {
			cves = append(cves, word)
		}
	}
	return cves
}

func parseUpdate(text string) (Update, error) {
	inner, ok := strings.CutPrefix(text, "[")
	id, title, closed := strings.Cut(inner, "]")
	if !ok || !closed || !isID(id) {
		return Update{}, fmt.Errorf("cannot read %.80q as an update", text)
	}
	return Update{ID: id, Title: strings.TrimSpace(title)}, nil
}

// ParseShow reads what uptrack-show and ksplice kernel show list, installed or available,
// of ksplice all show only the kernel's. It is the vendor's word on what an update fixes,
// never evidence that it is in effect.
func ParseShow(text string) ([]Update, error) {
	var updates []Update
	listing := false
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		switch {
		case line == "Installed updates:" || line == "Available updates:":
			listing = true
		case line == "":
			listing = false
		case listing && strings.HasPrefix(line, "["):
			u, err := parseUpdate(line)
			if err != nil {
				return nil, err
			}
			updates = append(updates, u)
		}
	}
	if len(updates) > MaxUpdates {
		return nil, fmt.Errorf("cannot read more than %d updates", MaxUpdates)
	}
	return updates, nil
}
