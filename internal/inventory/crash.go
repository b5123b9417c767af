package inventory

import (
	"errors"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/store"
)

// stopPrint stops a level on the kind of machine on which it has just struck this host,
// if the host's word is enough for that (see [rollout.Word]).
func (t *taking) stopPrint(line store.PlanHost, r hotstick.Report) error {
	if r.Crash == nil || t.host.Facts == nil {
		return nil
	}
	plan, err := t.tx.Plans().Get(line.Plan)
	if err != nil {
		return err
	}
	print := rollout.Word{Report: r, Plan: line.Listed.PatchIn(plan.Patch), Listed: line.Listed, Granted: line.Granted != nil,
		Model: Model(t.host), Before: Model(t.old)}.Stops()
	if print == nil {
		return nil
	}
	why := hotstick.Reason{Code: hotstick.ReasonCrash}
	if r.Reason != nil {
		why = *r.Reason
	}
	stop := store.CrashStop{Print: *print, Host: t.host.ID, HostName: t.host.Name, Reason: why, At: t.tx.Now()}
	err = t.tx.Bans().StopPrint(stop)
	if errors.Is(err, store.ErrTaken) {
		return nil
	}
	if err != nil {
		return err
	}
	return t.tell(NotifyCrash, store.Event{Kind: PatchStopped, Plan: line.Plan, Patch: print.Patch, Reason: &why,
		Evidence: []hotstick.Evidence{{Kind: "build", Text: print.Build.String()}, {Kind: "model", Text: print.Model}}})
}

// Model is the host's model as it last said; empty if it does not say.
func Model(h store.Host) string {
	if h.Facts == nil {
		return ""
	}
	return h.Facts.Host.Model
}
