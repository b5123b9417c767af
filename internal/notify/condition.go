package notify

import (
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/store"
)

// Severities, by their place in the alphabet too.
const (
	Critical = "critical"
	Info     = "info"
	Warning  = "warning"
)

// Condition is something that people should know of for as long as it lasts.
type Condition struct {
	// Name is the alert's name, and Severity one of the above.
	Name, Severity string
	Plan           hotstick.PlanID
	Patch          hotstick.PatchRef
	Since          time.Time
	// Summary is one line, Description says more.
	Summary, Description string
}

// Names of alerts.
const (
	AlertApproval  = "HotstickApprovalWanted"
	AlertHeld      = "HotstickRolloutHeld"
	AlertHalted    = "HotstickRolloutHalted"
	AlertReverting = "HotstickRolloutReverting"
	AlertStruck    = "HotstickHostStruck"
	AlertFinished  = "HotstickRolloutFinished"
)

// How long the end of a rollout is told.
const (
	haltLasts   = time.Hour
	finishLasts = 10 * time.Minute
)

// Standing is a plan with its hosts counted by state.
type Standing struct {
	store.Plan
	States map[hotstick.HostState]int
}

// Conditions says what lasts of one plan: it waits for approvals, it is held, it
// was halted, hosts go back, hosts were struck, it is finished.
func Conditions(p Standing, now time.Time) []Condition {
	var out []Condition
	add := func(name, severity, what string, since time.Time) {
		text := fmt.Sprintf("The rollout %q of %s %s.", p.Name, p.Closes(), what)
		more := text
		if p.Reason != nil {
			more += " " + why.Text(*p.Reason)
		}
		out = append(out, Condition{Name: name, Severity: severity, Plan: p.ID, Patch: p.Patch, Since: since.UTC(), Summary: text, Description: more})
	}
	ended := func(lasts time.Duration) bool { return p.Ended != nil && now.Sub(*p.Ended) < lasts }
	back := p.States[hotstick.Reverting]
	switch {
	case p.Status == hotstick.Proposed:
		add(AlertApproval, Info, "waits for approvals", p.Created)
	case p.Status == hotstick.Held:
		add(AlertHeld, Warning, "is on hold", begun(p))
	case p.Status == hotstick.Halted && !superseded(p) && (ended(haltLasts) || back > 0):
		add(AlertHalted, Critical, "was halted", *p.Ended)
	case (p.Status == hotstick.Completed || p.Status == hotstick.Expired) && ended(finishLasts):
		add(AlertFinished, Info, fmt.Sprintf("is %s: %d of %d hosts are confirmed", p.Status, p.States[hotstick.Confirmed], total(p.States)), *p.Ended)
	}
	if back > 0 && p.Reverting {
		add(AlertReverting, Critical, fmt.Sprintf("is taken back: %d hosts are on their way, %d are back", back, p.States[hotstick.Reverted]), begun(p))
	}
	if n := p.States[hotstick.Quarantined]; n > 0 && (!p.Status.Over() || ended(haltLasts)) {
		add(AlertStruck, Warning, fmt.Sprintf("took down %d hosts, which refuse the patch from now on", n), begun(p))
	}
	return out
}

// begun is the best that is known of when something began. Alertmanager keeps the
// earliest beginning that it is told.
func begun(p Standing) time.Time {
	switch {
	case p.Ended != nil:
		return *p.Ended
	case p.Started != nil:
		return *p.Started
	}
	return p.Created
}

// superseded: a plan that a newer one took over from was not halted in distress.
func superseded(p Standing) bool {
	return p.Reason != nil && p.Reason.Code == hotstick.ReasonSuperseded
}

func total(states map[hotstick.HostState]int) int {
	n := 0
	for _, count := range states {
		n += count
	}
	return n
}
