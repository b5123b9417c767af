// Package why turns typed reasons into sentences for people. Deciders return
// reasons; text is made here, at the edge, and nowhere else.
//
// Details come from hosts and vendors: they are opaque, and whoever shows a
// sentence must escape it for the place where it is shown.
package why

import (
	"fmt"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
)

// Text says a reason in one or two sentences.
func Text(r hotstick.Reason) string {
	text := sentence(r.Code, r.Subject, "")
	switch {
	case r.Cause != "":
		text += " " + sentence(r.Cause, r.Detail, "")
	case r.Detail != "":
		text = sentence(r.Code, r.Subject, r.Detail)
	}
	if r.Until != nil {
		text += " Until " + r.Until.UTC().Format(time.RFC3339) + "."
	}
	return text
}

// sentence is a code's meaning, and what it speaks of.
func sentence(code hotstick.ReasonCode, subject, detail string) string {
	text, known := code.Meaning()
	if !known {
		text = fmt.Sprintf("Unknown reason %q.", string(code))
	}
	switch {
	case subject != "" && detail != "":
		subject += " (" + detail + ")"
	case detail != "":
		subject = detail
	}
	if subject == "" {
		return text
	}
	return strings.TrimSuffix(text, ".") + ": " + strings.TrimSuffix(subject, ".") + "."
}

// Host is what one host's answer rests on.
type Host struct {
	Name     string
	Now      time.Time
	LastSeen time.Time
	// Silent: not heard of for longer than the staleness limit.
	Silent   bool
	InEffect hotstick.PatchRef
	Build    hotstick.KernelBuild
	Strikes  []hotstick.PatchRef
	// Drift, Stall and Barred are what the host says beside its level: how it differs from
	// what is expected, which transition does not end, and what keeps anything from
	// starting there. Each may be nil.
	Drift  *hotstick.Drift
	Stall  *hotstick.Stall
	Barred *hotstick.Reason
	// At is what the host's remedies are about.
	At Place
	// Rollout is the host's line in the newest plan that concerns it, if any.
	Rollout *Line
}

// Line is where the host stands in a plan.
type Line struct {
	Plan    string
	Patch   hotstick.PatchRef
	Status  hotstick.PlanStatus
	State   hotstick.HostState
	Attempt int
	Reason  *hotstick.Reason
	Since   time.Time
}

// Explain answers "why is this host as it is" in a few lines, the most telling
// first, and says what would change it (empty if nothing needs to).
func Explain(h Host) (lines []string, changes string) {
	lines = append(lines, running(h))
	if h.Silent {
		lines = append(lines, fmt.Sprintf("It has not checked in for %s, so everything below is old.", ago(h.Now, h.LastSeen)))
		changes = "Look at the host: is it up, and does its agent reach the server?"
	}
	for _, s := range h.Strikes {
		lines = append(lines, fmt.Sprintf("It went down once with %s and refuses it until a signed clear.", s))
	}
	said, does := survives(h)
	if lines = append(lines, said...); changes == "" {
		changes = does
	}
	if h.Rollout == nil {
		return append(lines, "No rollout concerns it."), changes
	}
	lines = append(lines, stands(*h.Rollout, h.Now))
	if h.Rollout.Reason != nil {
		lines = append(lines, Text(*h.Rollout.Reason))
		if changes == "" {
			changes = Remedy(*h.Rollout.Reason, h.At)
		}
		if changes == "" && !h.Rollout.State.Terminal() {
			changes = Ends(*h.Rollout.Reason)
		}
	}
	return lines, changes
}

// Waiver is a signed exception to a policy that means a host.
type Waiver struct {
	Name, Policy string
	// Rules need not be kept, or LeaveOut keeps the host out.
	Rules    []string
	LeaveOut bool
	Why      string
	// By are the persons who signed it, and Until is its end.
	By    []hotstick.Person
	Until time.Time
}

// Excepted says by whose waiver a host is let in or kept out, and until when.
func Excepted(w Waiver) string {
	names := make([]string, len(w.By))
	for i, p := range w.By {
		names[i] = string(p)
	}
	what := "lets it in without " + strings.Join(w.Rules, ", ")
	if w.LeaveOut {
		what = "keeps it out"
	}
	return fmt.Sprintf("Under policy %s the waiver %s, signed by %s, %s until %s: %s.", w.Policy, w.Name, strings.Join(names, ", "), what,
		w.Until.UTC().Format(time.RFC3339), strings.TrimSuffix(w.Why, "."))
}

func running(h Host) string {
	if h.InEffect.IsZero() {
		return fmt.Sprintf("%s runs %s as it booted, with no live patch of ours.", h.Name, h.Build)
	}
	return fmt.Sprintf("%s runs %s with %s in effect.", h.Name, h.Build, h.InEffect)
}

func stands(l Line, now time.Time) string {
	return fmt.Sprintf("In rollout %q of %s (%s) it is %s since %s, attempt %d.",
		l.Plan, l.Patch, l.Status, l.State, ago(now, l.Since), l.Attempt)
}

func ago(now, then time.Time) string {
	if then.IsZero() {
		return "ever"
	}
	return now.Sub(then).Round(time.Second).String()
}
