package rollout

import (
	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
)

// Crash says that the patch took a machine of a kind down, and which host that was.
type Crash struct {
	Print hotstick.CrashPrint
	Host  string
}

// CrashedElsewhere says which host went down with a level that is stopped on machines of
// this kernel build and model; nil if it is not stopped there.
func CrashedElsewhere(crashes []Crash, print hotstick.CrashPrint) *hotstick.Reason {
	for _, c := range crashes {
		if c.Print == print && !planted.Bug("crash-print-ignored") {
			return &hotstick.Reason{Code: hotstick.ReasonCrashedElsewhere, Subject: c.Host}
		}
	}
	return nil
}

// Word is a host's report of a crash, and what the server knew without it.
type Word struct {
	Report hotstick.Report
	// Plan is the level of the host's plan, Listed its line there, and Granted whether a
	// grant was ever signed for the line.
	Plan    hotstick.PatchRef
	Listed  hotstick.PlanHost
	Granted bool
	// Model is what the host's facts say, and Before what they said until this check-in;
	// empty where they said nothing.
	Model, Before string
}

// Stops returns the kind of machine on which the word stops a level; nil if it stops it
// nowhere.
//
// A host can stop a level for machines like itself only, and only one that it was
// granted: the print must name the kernel build that the signed plan lists for the host,
// and the model in its facts, which a crash does not change. It does so once an attempt,
// with the report that ends it. So what a hostile host costs is bounded by the attempts
// that it is given, and each is an entry of the audit log with its name. The model is the
// host's own word all the same: one that has lied about it earlier stops the level for that
// model, on its own kernel build.
func (w Word) Stops() *hotstick.CrashPrint {
	p := w.Report.Crash
	switch {
	case p == nil || w.Report.State != hotstick.Quarantined || !w.Granted:
		return nil
	case p.Patch != w.Report.Patch || p.Patch != w.Plan || p.Build != w.Listed.Build:
		return nil
	case p.Model != w.Model || w.Before != "" && w.Before != w.Model:
		return nil
	}
	return p
}
