package checker

import (
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

func trustRules() []Rule {
	return []Rule{
		{ID: "S1", Name: "provenance", check: provenance,
			Text: "What is loaded is listed in the signed catalog for the host's own kernel build."},
		{ID: "S2", Name: "dual control", check: dualControl,
			Text: "A host arms only for a plan that enough persons besides its author have signed as it is; single control where the trust says so."},
		{ID: "S14", Name: "known bad stays bad", check: knownBad,
			Text: "After a ban no server grants the patch, and no host that learned of it, or of a recall, arms it, until a clear."},
		{ID: "S14p", Name: "a crash stops its kind", check: crashStops,
			Text: "After a level was stopped on a kind of machine that crashed with it, no server grants it to another of that kind, in any plan, until a clear."},
		{ID: "S14m", Name: "nothing bad is forgotten", check: forgotten,
			Text: "A host forgets no ban and no strike but by a clear, and never a halt, over all restarts and reboots."},
		{ID: "S14c", Name: "nobody lifts alone", check: liftedTogether,
			Text: "No host takes a clear that too few persons have signed."},
		{ID: "S16", Name: "frozen list", check: frozenList,
			Text: "Only hosts that the signed plan lists, or that its rule for late hosts lets in, arm for it."},
		{ID: "S17", Name: "bytes bound", check: bytesBound,
			Text: "What a host arms is the artifact that the signed plan names for its kernel build."},
		{ID: "S20", Name: "online keys are weak",
			Text: "All rules of trust, the kernel and the loader's clock hold also while somebody else owns the server.", check: onlineKeys},
		{ID: "S21", Name: "no downgrade", check: noDowngrade,
			Text: "A host sets out for no level below one that it ever confirmed. The simulator's people sign no downgrade, which would permit it."},
		{ID: "S22", Name: "freeze is seen", check: freezeSeen,
			Text: "Nothing starts from a catalog whose signatures have expired."},
		{ID: "S22l", Name: "a plan's life ends", check: lifeEnds,
			Text: "Nothing starts by a plan whose life is over."},
		{ID: "S24g", Name: "a grant is of its minute", check: ofItsMinute,
			Text: "A host starts only on a grant that quotes a nonce which its loader's own process made less than a minute before, and on each nonce once."},
		{ID: "S24", Name: "four eyes", check: fourEyes,
			Text: "No host starts on signatures that were given for other bytes: an edited plan is another plan, without approvals."},
	}
}

func provenance(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindLoad || f.ground == nil || e.Artifact == "" {
		return false, ""
	}
	a, listed := f.artifacts[e.Artifact]
	h := f.host(e.Host)
	switch {
	case !listed:
		return true, fmt.Sprintf("%s loads bytes that no catalog lists", h.name)
	case a.Build != h.build:
		return true, fmt.Sprintf("%s loads bytes made for %s", h.name, a.Build)
	}
	return true, ""
}

// started returns the plan of an intent that a plan is behind.
func (f *fleet) started(e *trace.Event) (*plan, bool) {
	if e.Kind != trace.KindIntent || e.Plan == "" {
		return nil, false
	}
	p := f.plan(e.Plan)
	return p, p.known()
}

func dualControl(f *fleet, e *trace.Event) (bool, string) {
	p, ok := f.started(e)
	if !ok || f.ground == nil {
		return false, ""
	}
	n := 0
	for _, person := range p.body.Approvers {
		if person != p.body.Plan.Author {
			n++
		}
	}
	if need := max(f.ground.Approvals, p.body.Plan.Approvals); n < need && len(p.body.Plan.Emergency) == 0 {
		return true, fmt.Sprintf("%d persons besides the author have signed; %d must", n, need)
	}
	return true, ""
}

func fourEyes(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindIntent || e.Plan == "" || f.ground == nil {
		return false, ""
	}
	if !f.plan(e.Plan).known() {
		return true, "nobody signed this plan: it is an edited copy of another one"
	}
	return true, ""
}

func crashStops(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindGrant || len(f.stopped) == 0 {
		return false, ""
	}
	p := f.plan(e.Plan)
	listed, ok := p.listed[e.Host]
	if !p.known() || !ok {
		return false, ""
	}
	print := hotstick.CrashPrint{Patch: p.patchOf(e.Host), Build: hotstick.KernelBuild{BuildID: listed.Build.BuildID}, Model: e.Detail}
	if f.stopped[print] {
		return true, "a grant was given on a kind of machine that crashed with " + print.Patch.String()
	}
	return true, ""
}

func knownBad(f *fleet, e *trace.Event) (bool, string) {
	switch e.Kind {
	case trace.KindGrant:
		p := f.plan(e.Plan)
		if !p.known() {
			return false, ""
		}
		if patch := p.patchOf(e.Host); f.banned[patch] {
			return true, "a grant was given after the ban of " + patch.String()
		}
		return true, ""
	case trace.KindIntent:
		if f.host(e.Host).banned[e.Patch] {
			return true, "the host arms a patch that it knows to be banned"
		}
		return true, ""
	}
	return false, ""
}

func forgotten(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindLearned {
		return false, ""
	}
	h := f.host(e.Host)
	if e.To == learnedForgotten && slices.Contains([]string{"ban", "strike", "halt"}, e.From) && !(e.Patch != hotstick.PatchRef{} && h.cleared[e.Patch]) {
		return true, "the host forgot a " + e.From
	}
	return true, ""
}

func liftedTogether(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindLearned || e.To != learnedClear || f.ground == nil || f.ground.Began.IsZero() {
		return false, ""
	}
	if !f.clears[e.Grant] {
		return true, "nobody signed the clear that the host takes"
	}
	return true, ""
}

func frozenList(f *fleet, e *trace.Event) (bool, string) {
	p, ok := f.started(e)
	if !ok {
		return false, ""
	}
	if _, listed := p.listed[e.Host]; listed {
		return true, ""
	}
	if p.body.Plan.Late == nil {
		return true, "the plan does not list this host"
	}
	for k, want := range p.body.Plan.Late.Labels {
		if f.ground != nil && f.host(e.Host).labels[k] != want {
			return true, "the plan does not list this host, and its rule for late hosts does not fit it"
		}
	}
	return true, ""
}

func bytesBound(f *fleet, e *trace.Event) (bool, string) {
	p, ok := f.started(e)
	if !ok || f.ground == nil {
		return false, ""
	}
	lane, ok := p.body.Plan.Lane(f.host(e.Host).build, p.listed[e.Host].Driver)
	if !ok || lane.Artifact != e.Artifact {
		return true, "the plan names other bytes for this kernel build"
	}
	return true, ""
}

func onlineKeys(f *fleet, e *trace.Event) (bool, string) {
	if !f.owned || e.Kind != trace.KindIntent {
		return false, ""
	}
	if e.Plan == "" {
		return false, ""
	}
	if _, text := dualControl(f, e); text != "" {
		return true, "while the server is owned: " + text
	}
	if _, text := frozenList(f, e); text != "" {
		return true, "while the server is owned: " + text
	}
	if _, text := signedDelay(f, e); text != "" {
		return true, "while the server is owned: " + text
	}
	return true, ""
}

func noDowngrade(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindIntent || e.Plan == "" || f.ground == nil {
		return false, ""
	}
	if best := f.host(e.Host).confirmed[e.Patch.Name]; e.Patch.Level < best {
		return true, fmt.Sprintf("level %d was confirmed here before", best)
	}
	return true, ""
}

func freezeSeen(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindIntent || e.Plan == "" {
		return false, ""
	}
	h := f.host(e.Host)
	if h.catalog == 0 {
		return false, ""
	}
	if e.T >= ms(h.catalog) && !h.clockBad {
		return true, "the newest catalog that the host knows has expired"
	}
	return true, ""
}

func lifeEnds(f *fleet, e *trace.Event) (bool, string) {
	p, ok := f.started(e)
	if !ok || f.ground == nil || f.ground.Began.IsZero() || f.host(e.Host).clockBad {
		return false, ""
	}
	if over := f.ground.Began.Add(time.Duration(e.T)).Sub(p.body.Plan.NotAfter); over >= 0 {
		return true, fmt.Sprintf("the plan's life ended %s before", over.Round(time.Millisecond))
	}
	return true, ""
}

// spent stands for the time of a nonce that has started something.
const spent = int64(-1)

func ofItsMinute(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindIntent || e.Plan == "" || f.ground == nil || f.ground.Began.IsZero() {
		return false, ""
	}
	made, known := f.host(e.Host).nonces[e.Detail]
	switch {
	case !known:
		return true, "the host starts on a grant with a nonce that its loader did not make"
	case made == spent:
		return true, "the host starts twice on grants with one nonce"
	case e.T-made > ms(f.ground.GrantMillis):
		return true, fmt.Sprintf("the host starts on a nonce that is %s old", sec(e.T-made))
	}
	return true, ""
}
