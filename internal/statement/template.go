package statement

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
)

// Template is what at least m persons agreed on in calm times: how fast a plan may
// go in an emergency with one approval instead of m. A plan carries the signed
// template in its Emergency field and keeps within it (see [Template.Permits]).
type Template struct {
	Name string `json:"name"`
	// Patches are names of patches; a star at the end stands for any rest, so a
	// star alone means every patch.
	Patches []string `json:"patches"`
	// FirstWaveHosts is how many hosts the first wave may list.
	FirstWaveHosts int `json:"first_wave_hosts"`
	// ProbationSeconds and BakeSeconds are the shortest; every wave with one after
	// it bakes.
	ProbationSeconds int `json:"probation_seconds"`
	BakeSeconds      int `json:"bake_seconds"`
	// DelaySeconds is the least by which the delay of each wave is longer than that
	// of the wave before it.
	DelaySeconds int `json:"delay_seconds"`
	// Budgets are the largest. The plan has a budget for each kind of domain here.
	Budgets []hotstick.Budget `json:"budgets"`
	// Gate is what the plan's gates ask for, exactly.
	Gate hotstick.GateSettings `json:"gate"`
	// LifeSeconds is the longest life of a plan.
	LifeSeconds int       `json:"life_seconds"`
	IssuedAt    time.Time `json:"issued_at"`
	// NotAfter ends the template's life and that of every plan under it.
	NotAfter time.Time `json:"not_after"`
}

// Limits of templates.
const (
	// MaxTemplateLife makes people agree anew once in a while.
	MaxTemplateLife = 400 * 24 * time.Hour
	// MaxTemplatePatches bounds the names of one template.
	MaxTemplatePatches = 100
	// maxTemplateName bounds a template's name, in bytes.
	maxTemplateName = 200
)

// Validate reports the first thing that is malformed. A template that asks for no
// bake, no delay or no budget is malformed: haste is never without any limit.
func (t Template) Validate() error {
	switch {
	case t.Name == "" || len(t.Name) > maxTemplateName:
		return fmt.Errorf("cannot use a template's name of %d bytes: want 1 to %d", len(t.Name), maxTemplateName)
	case len(t.Patches) == 0 || len(t.Patches) > MaxTemplatePatches:
		return fmt.Errorf("cannot use a template for %d names of patches: want 1 to %d", len(t.Patches), MaxTemplatePatches)
	case t.FirstWaveHosts < 1 || t.FirstWaveHosts > hotstick.MaxPlanHosts:
		return fmt.Errorf("cannot use a template with %d hosts in the first wave", t.FirstWaveHosts)
	case !t.NotAfter.After(t.IssuedAt) || t.NotAfter.Sub(t.IssuedAt) > MaxTemplateLife:
		return fmt.Errorf("cannot use a template that lives from %s to %s: want at most %d days",
			t.IssuedAt.Format(time.RFC3339), t.NotAfter.Format(time.RFC3339), MaxTemplateLife/(24*time.Hour))
	}
	for _, span := range []int{t.ProbationSeconds, t.BakeSeconds, t.DelaySeconds, t.LifeSeconds} {
		if span < 1 || span > MaxSeconds {
			return fmt.Errorf("cannot use a template with a span of %d seconds: want 1 to %d", span, MaxSeconds)
		}
	}
	for _, name := range t.Patches {
		if name == "" || len(name) > maxTemplateName || strings.Contains(strings.TrimSuffix(name, "*"), "*") {
			return fmt.Errorf("cannot use %.80q as the name of patches: a star may stand at the end only", name)
		}
	}
	return errors.Join(hotstick.ValidateBudgets(t.Budgets), checkTime(t.IssuedAt), checkTime(t.NotAfter))
}

// Permits says why the plan goes beyond the template; nil if it keeps within. Its
// life is judged by [OpenPlan], which knows the time. The reason is not_approved:
// nobody agreed to that.
func (t Template) Permits(plan hotstick.Plan) error {
	for _, patch := range plan.Patches() {
		if !t.names(patch.Name) {
			return refuse(hotstick.ReasonNotApproved, "cannot take the plan under the emergency template %q: it is not for %s", t.Name, patch.Name)
		}
	}
	beyond := func(format string, args ...any) error {
		return refuse(hotstick.ReasonNotApproved, "cannot take the plan under the emergency template %q: "+format, append([]any{t.Name}, args...)...)
	}
	switch {
	case plan.ProbationSeconds < t.ProbationSeconds:
		return beyond("probation is %d seconds and must be at least %d", plan.ProbationSeconds, t.ProbationSeconds)
	case plan.Gate != t.Gate:
		return beyond("its gate settings differ")
	case plan.NotAfter.Sub(plan.CreatedAt) > t.life() || plan.NotAfter.After(t.NotAfter):
		return beyond("it lives until %s: at most %d seconds, and not longer than the template", plan.NotAfter.Format(time.RFC3339), t.LifeSeconds)
	case plan.Continues != "":
		// Its delays would count from the older plan.
		return beyond("it continues another plan")
	case plan.Waves[0].Hosts > t.FirstWaveHosts:
		return beyond("its first wave lists %d hosts: the limit is %d", plan.Waves[0].Hosts, t.FirstWaveHosts)
	}
	for i, w := range plan.Waves {
		switch {
		case i > 0 && w.DelaySeconds-plan.Waves[i-1].DelaySeconds < t.DelaySeconds:
			return beyond("wave %d may start %d seconds after the one before, and must wait at least %d", i, w.DelaySeconds-plan.Waves[i-1].DelaySeconds, t.DelaySeconds)
		case i < len(plan.Waves)-1 && w.BakeSeconds < t.BakeSeconds:
			return beyond("wave %d bakes for %d seconds and must for at least %d", i, w.BakeSeconds, t.BakeSeconds)
		}
	}
	for _, l := range plan.Lanes {
		// A plan that goes back to its own level or a newer one takes hosts down, which
		// is nothing to do in haste.
		if slices.ContainsFunc(l.RevertTo, func(r hotstick.RevertTarget) bool {
			patch := plan.PatchOf(l)
			return r.Patch.Name == patch.Name && r.Patch.Level >= patch.Level
		}) {
			return beyond("it goes back to an older level")
		}
	}
	for _, limit := range t.Budgets {
		i := slices.IndexFunc(plan.Budgets, func(b hotstick.Budget) bool { return b.Domain == limit.Domain })
		if i < 0 || !within(plan.Budgets[i], limit, plan.HostCount) {
			return beyond("it has no budget for %q, or a larger one", limit.Domain)
		}
	}
	return nil
}

func (t Template) life() time.Duration { return time.Duration(t.LifeSeconds) * time.Second }

func (t Template) names(patch string) bool {
	return slices.ContainsFunc(t.Patches, func(name string) bool {
		prefix, open := strings.CutSuffix(name, "*")
		return name == patch || open && strings.HasPrefix(patch, prefix)
	})
}

// within reports whether a budget never permits more than the limit, in whatever
// domain of a plan of so many hosts.
func within(b, limit hotstick.Budget, hosts int) bool {
	opened := func(b hotstick.Budget) int { return max(1, b.Open) }
	switch {
	case limit.Percent > 0 && b.Percent > limit.Percent:
		return false
	case limit.Percent > 0 && b.Percent == 0 && b.Max > 1: // of a domain of unknown size one host is always within
		return false
	case limit.Max > 0 && b.Limit(hosts) > limit.Max: // no domain has more than all hosts
		return false
	case limit.Quorum && (!b.Quorum || opened(b) > opened(limit)):
		return false
	case limit.MixedSeconds > 0 && (b.MixedSeconds == 0 || b.MixedSeconds > limit.MixedSeconds):
		return false
	}
	return true
}

// UnverifiedTemplate is a template whose signatures nobody has checked.
type UnverifiedTemplate struct{ Template Template }

// ParseTemplate reads a template without checking any signature, for whoever is
// asked to sign it as well.
func ParseTemplate(raw []byte) (UnverifiedTemplate, error) {
	_, t, err := open[Template](raw, KindTemplate)
	return UnverifiedTemplate{t}, err
}

// OpenTemplate verifies a template: at least m persons signed it (reason
// not_approved) and its life is not over at now, nor begins after it (reason
// plan_expired; see [MaxAhead]).
func OpenTemplate(raw []byte, trust hotstick.Trust, now time.Time) (Template, error) {
	t, err := openTemplate(raw, trust)
	if err == nil {
		err = t.checkLife(now)
	}
	if err != nil {
		return Template{}, err
	}
	return t, nil
}

func (t Template) checkLife(now time.Time) error {
	switch {
	case !now.Before(t.NotAfter):
		return refuse(hotstick.ReasonPlanExpired, "cannot use the emergency template %q: its life ended at %s", t.Name, t.NotAfter.Format(time.RFC3339))
	case t.IssuedAt.After(now.Add(MaxAhead)):
		return refuse(hotstick.ReasonPlanExpired, "cannot use the emergency template %q yet: it is dated %s, and it is %s; if that is wrong, set the clock right",
			t.Name, t.IssuedAt.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

func openTemplate(raw []byte, trust hotstick.Trust) (Template, error) {
	e, t, err := open[Template](raw, KindTemplate)
	if err != nil {
		return Template{}, err
	}
	if err := usable(trust); err != nil {
		return Template{}, err
	}
	if n := len(personsOf(e, trust)); n < trust.Approvals {
		return Template{}, refuse(hotstick.ReasonNotApproved, "cannot use the emergency template %q: %d of %d persons signed it", t.Name, n, trust.Approvals)
	}
	return t, nil
}
