package inventory

import (
	"errors"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// stopPrint stops a level on the kind of machine on which it has just struck this host.
//
// A host can stop a level for machines like itself only, and only one that it was
// granted: the print must name the kernel build that the signed plan lists for the host,
// and the model in its facts, which a crash does not change. It does so once an attempt,
// with the report that ends it. So what a hostile host costs is bounded by the attempts
// that it is given, and each is an entry of the audit log with its name. The model is the
// host's own word all the same: one that has lied about it earlier stops the level for that
// model, on its own kernel build.
func (t *taking) stopPrint(line store.PlanHost, r hotstick.Report) error {
	p := r.Crash
	ours := p != nil && r.State == hotstick.Quarantined && p.Patch == r.Patch && p.Build == line.Listed.Build && line.Granted != nil &&
		t.host.Facts != nil && p.Model == t.host.Facts.Host.Model
	if !ours || t.old.Facts == nil || t.old.Facts.Host.Model != "" && t.old.Facts.Host.Model != p.Model {
		return nil
	}
	plan, err := t.tx.Plans().Get(line.Plan)
	if err != nil || plan.Patch != p.Patch {
		return err
	}
	why := hotstick.Reason{Code: hotstick.ReasonCrash}
	if r.Reason != nil {
		why = *r.Reason
	}
	stop := store.CrashStop{Print: *p, Host: t.host.ID, HostName: t.host.Name, Reason: why, At: t.tx.Now()}
	err = t.tx.Bans().StopPrint(stop)
	if errors.Is(err, store.ErrTaken) {
		return nil
	}
	if err != nil {
		return err
	}
	return t.tell(NotifyCrash, store.Event{Kind: PatchStopped, Plan: line.Plan, Patch: p.Patch, Reason: &why,
		Evidence: []hotstick.Evidence{{Kind: "build", Text: p.Build.String()}, {Kind: "model", Text: p.Model}}})
}

// CrashedElsewhere says which host went down with a level that is stopped on machines of
// this kernel build and model; nil if it is not stopped there.
func CrashedElsewhere(stops []store.CrashStop, print hotstick.CrashPrint) *hotstick.Reason {
	for _, s := range stops {
		if s.Print == print {
			return &hotstick.Reason{Code: hotstick.ReasonCrashedElsewhere, Subject: s.HostName}
		}
	}
	return nil
}

// Model is the host's model as it last said; empty if it does not say.
func Model(h store.Host) string {
	if h.Facts == nil {
		return ""
	}
	return h.Facts.Host.Model
}
