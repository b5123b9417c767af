package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/cli/signoff"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"github.com/hotstick/hotstick/internal/statement"
)

// planFlags are what rollout plan was asked for.
type planFlags struct {
	name, selector, author, key              string
	policy, emergency, fixes                 string
	probation, transition, bake, delay, life time.Duration
	budgets                                  []string
	dryRun, yes                              bool
}

func (a *app) rolloutPlan() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan {PATCH@LEVEL | --fixes CVE} --select EXPRESSION --key FILE",
		Short: "Plan a rollout, review it, sign it as its author, hand it in",
		Long: `Asks the planner for a plan, recomputes here what it says, shows it, signs it
with the author's key and hands it in. Nothing starts: other persons approve it
first (hotstick rollout approve).

--fixes CVE-2026-52928 plans for whatever closes the CVE: each host gets the newest
patch of its own live-patch system, or a fixed kernel and a reboot where that has
none. Hosts that no system covers are listed as left out.

--select is a CEL expression over host: name, id, release, arch, build_id,
distribution, labels, in_effect.name, in_effect.level. Every host is: true

--policy names one of the server's policies (standard, urgent, emergency,
quorum-cluster, storage-n3, vendors) or a file; the standard one shapes the plan
where nobody names one. Speeds and budgets given here win over the policy's.`,
		Example: `  hotstick rollout plan unix-ioctl@1 --select 'host.labels.role == "db"' --key ada.pem
  hotstick rollout plan unix-ioctl@1 --select true --policy urgent --budget rack=1 --dry-run
  hotstick rollout plan --fixes CVE-2026-52928 --select true --dry-run
  hotstick rollout plan unix-ioctl@1 --select true --emergency template.json --key ada.pem`,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.fixes != "" {
				return exactly()(cmd, args)
			}
			return exactly("PATCH@LEVEL")(cmd, args)
		},
		ValidArgsFunction: a.completePatches(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(f.selector) == "" {
				return usage("write --select true for every host", "cannot plan without a selector: empty is never all")
			}
			request, err := f.request(strings.Join(args, ""), cmd.Flags().Changed)
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error { return a.plan(ctx, c, request, f) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.selector, "select", "", "which hosts, as a CEL expression; empty is never all")
	flags.StringVar(&f.fixes, "fixes", "", "close this CVE, on each host by its own system, in place of PATCH@LEVEL")
	flags.StringVar(&f.emergency, "emergency", "", "plan under the emergency template in this file (hotstick template make)")
	f.flags(cmd)
	_ = cmd.RegisterFlagCompletionFunc("policy", a.completePolicyFlag)
	return cmd
}

// flags are those of every command that drafts a plan.
func (f *planFlags) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.policy, "policy", "", "the policy that shapes the plan: a name that the server knows, or a file")
	flags.StringVar(&f.name, "name", "", "the rollout's name, for people")
	flags.StringVar(&f.author, "author", "", "the person who signs; the key says so if this does not")
	flags.StringVar(&f.key, "key", "", "the author's "+keyUsage)
	flags.DurationVar(&f.probation, "probation", 0, "how long each host must stay healthy")
	flags.DurationVar(&f.transition, "transition", 0, "how long the kernel's transition may take")
	flags.DurationVar(&f.bake, "bake", 0, "how long a wave must stay healthy before the next opens")
	flags.DurationVar(&f.delay, "delay", 0, "signed time between two waves' earliest starts")
	flags.DurationVar(&f.life, "life", 0, "how long the plan may start hosts")
	flags.StringSliceVar(&f.budgets, "budget", nil, "DOMAIN=N: at most N hosts of a domain disturbed at once, such as rack=1; may be repeated")
	flags.BoolVar(&f.dryRun, "dry-run", false, "show the plan and sign nothing (exit code 3)")
	flags.BoolVarP(&f.yes, "yes", "y", false, "sign without asking")
}

func (a *app) completePolicyFlag(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	names, _ := a.complete(func(ctx context.Context, c *client.Client, _ string) ([]string, error) {
		list, err := c.Policies(ctx)
		var out []string
		for _, p := range list.Policies {
			out = append(out, p.Name+"\t"+show.Clean(p.Summary))
		}
		return out, err
	})(cmd, nil, prefix)
	// A file is as good.
	return names, cobra.ShellCompDirectiveDefault
}

// plan drafts, checks, shows, signs and hands in.
func (a *app) plan(ctx context.Context, c *client.Client, request api.DraftRequest, f planFlags) error {
	view, _, err := a.verified(ctx, c)
	if err != nil {
		return err
	}
	signer, err := f.signer(a.openKey)
	if err != nil {
		return err
	}
	if request.Author, err = a.planAuthor(ctx, c, f, view, signer); err != nil {
		return err
	}
	if request.Continues != "" {
		if request.Continues, err = olderPlan(ctx, c, request.Continues, view); err != nil {
			return err
		}
	}
	draft, err := c.Draft(ctx, request)
	if err != nil {
		return err
	}
	plan, err := checkDraft(draft, request, view)
	if err != nil {
		return fail(exitRefused, "the server's planner and this machine do not agree; do not sign, and find out why", "%v", err)
	}
	review := show.Review{Plan: plan, Hosts: draft.Hosts, LeftOut: draft.LeftOut, Previous: previousPlan(ctx, c, plan),
		Needed: max(view.Trust.Approvals, plan.Approvals), SingleControl: view.Trust.AuthorMayApprove}
	review.Levels = levels(plan, view)
	if review.Recipes, err = recipes(ctx, c, plan); err != nil {
		return err
	}
	if len(plan.Emergency) > 0 {
		t, err := statement.OpenTemplate(plan.Emergency, view.Trust, a.env.Now())
		if err == nil {
			err = t.Permits(plan)
		}
		if err != nil {
			return fail(exitRefused, "the server's planner and this machine do not agree; do not sign, and find out why", "%v", err)
		}
		review.Template, review.Needed = t.Name, 1
	}
	if f.dryRun {
		if err := a.print(draftView(draft, review)); err != nil {
			return err
		}
		return &failure{code: exitPending}
	}
	return a.signPlan(ctx, c, f, signer, draft, review)
}

// request turns the flags into what the planner is asked, and refuses what cannot
// work before anybody is asked.
func (f planFlags) request(patch string, given func(string) bool) (api.DraftRequest, error) {
	if f.fixes != "" {
		if err := hotstick.ValidateCVE(f.fixes); err != nil {
			return api.DraftRequest{}, usage("write it as CVE-2026-52928", "%v", err)
		}
	} else if _, err := patchRef(patch); err != nil {
		return api.DraftRequest{}, err
	}
	if f.key == "" && !f.dryRun {
		return api.DraftRequest{}, usage("--key FILE signs it as its author; --dry-run only shows it", "cannot sign a plan without a key")
	}
	r := api.DraftRequest{Name: f.name, Patch: patch, CVE: f.fixes, Selector: f.selector}
	if err := f.documents(&r); err != nil {
		return r, err
	}
	for _, d := range []struct {
		name string
		in   time.Duration
		out  *int
	}{
		{"probation", f.probation, &r.Settings.ProbationSeconds}, {"transition", f.transition, &r.Settings.TransitionSeconds},
		{"bake", f.bake, &r.Settings.BakeSeconds}, {"delay", f.delay, &r.Settings.DelaySeconds}, {"life", f.life, &r.Settings.LifeSeconds},
	} {
		if d.in < 0 || d.in%time.Second != 0 || d.in == 0 && given(d.name) {
			return r, usage("give whole seconds, at least one, such as 90s or 10m", "cannot use %s for --%s", d.in, d.name)
		}
		*d.out = int(d.in / time.Second)
	}
	for _, b := range f.budgets {
		domain, text, ok := strings.Cut(b, "=")
		n, err := strconv.Atoi(text)
		if !ok || domain == "" || err != nil || n < 1 {
			return r, usage("write DOMAIN=N, such as rack=1 or fleet=10", "cannot read %q as a budget", b)
		}
		if r.Settings.Budgets == nil {
			r.Settings.Budgets = map[string]int{}
		}
		r.Settings.Budgets[domain] = n
	}
	return r, nil
}

// documents reads the policy and the emergency template that the flags name.
func (f planFlags) documents(r *api.DraftRequest) error {
	if info, err := os.Stat(f.policy); err == nil && info.Mode().IsRegular() {
		raw, err := readDocument(f.policy, policy.MaxBytes)
		if err != nil {
			return err
		}
		r.PolicyDocument = string(raw)
	} else {
		r.Policy = f.policy
	}
	if strings.ContainsAny(r.Policy, "/.") {
		return usage("name one of the server's policies, or a file", "cannot find the policy file %s", r.Policy)
	}
	if f.emergency == "" {
		return nil
	}
	raw, _, err := readTemplate(f.emergency)
	r.Emergency = raw
	return err
}

func (f planFlags) signer(open func(string) (statement.Signer, error)) (statement.Signer, error) {
	if f.key == "" {
		return nil, nil
	}
	return open(f.key)
}

// planAuthor is the person that the key belongs to; a dry run without a key is
// in the name of whoever asks.
func (a *app) planAuthor(ctx context.Context, c *client.Client, f planFlags, view catalog.View, signer statement.Signer) (hotstick.Person, error) {
	if signer == nil {
		if f.author != "" {
			return hotstick.Person(f.author), nil
		}
		session, err := c.Session(ctx)
		return session.Person, err
	}
	person, known := statement.PersonOf(view.Trust, signer.Public())
	if !known {
		return "", fail(exitForbidden, "the persons and their keys are in the catalog's root", "cannot sign with %s: the catalog's root binds this key to nobody", f.key)
	}
	if f.author != "" && hotstick.Person(f.author) != person {
		return "", fail(exitForbidden, "leave --author out, or use that person's key", "cannot sign as %s: the key %s is %s's", f.author, f.key, person)
	}
	return person, nil
}

// checkDraft reads the draft's exact bytes and recomputes what can be.
func checkDraft(draft api.Draft, asked api.DraftRequest, view catalog.View) (hotstick.Plan, error) {
	var plan hotstick.Plan
	dec := json.NewDecoder(bytes.NewReader(draft.Payload))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&plan); err != nil {
		return plan, fmt.Errorf("cannot read the draft: %v", err)
	}
	if err := signoff.CheckAsked(plan, asked); err != nil {
		return plan, err
	}
	return plan, signoff.Check(plan, draft.Hosts, view)
}

// levels are a plan's patches as the verified catalog has them.
func levels(plan hotstick.Plan, view catalog.View) []hotstick.Patch {
	var out []hotstick.Patch
	for _, ref := range plan.Patches() {
		if p, ok := view.Patch(ref); ok {
			out = append(out, p)
		}
	}
	return out
}

// previousPlan is the last plan for the same patch name, for the difference. It
// is a help to the eye only, so a server that has none is no error.
func previousPlan(ctx context.Context, c *client.Client, plan hotstick.Plan) *hotstick.Plan {
	list, err := c.Rollouts(ctx)
	if err != nil {
		return nil
	}
	for _, r := range list.Rollouts {
		if r.Patch.Name == plan.Patch.Name && r.CVE == plan.CVE {
			if last, err := c.Rollout(ctx, string(r.Plan)); err == nil {
				return &last.Description
			}
		}
	}
	return nil
}

func (a *app) signPlan(ctx context.Context, c *client.Client, f planFlags, signer statement.Signer, draft api.Draft, review show.Review) error {
	envelope, err := statement.Sign(statement.KindPlan, review.Plan, signer)
	if err != nil {
		return err
	}
	signed, err := statement.ParsePlan(envelope)
	if err != nil {
		return err
	}
	review.ID = signed.ID
	a.showReview(review)
	if err := a.consent(f.yes, review.Question("Sign", review.Plan.Author)); err != nil {
		return err
	}
	r, err := c.Submit(ctx, api.SubmitRequest{Envelope: envelope, Hosts: draft.Hosts})
	if err != nil {
		return err
	}
	a.note(nextStep(r))
	return a.printStep(r)
}

// showReview prints what is about to be signed. It belongs to the question, so
// it goes where the question goes, and not into a program's input.
func (a *app) showReview(review show.Review) {
	st := a.style()
	a.note(review.Text(st))
}

// nextStep says what a signed plan waits for.
func nextStep(r api.Rollout) string {
	if r.Status == hotstick.Approved {
		return "It is approved: hotstick rollout start " + r.Plan.Short()
	}
	return fmt.Sprintf("It waits for approvals: hotstick rollout approve %s --key FILE", r.Plan.Short())
}

// draftView is the answer of a dry run.
func draftView(draft api.Draft, review show.Review) view {
	return view{value: draft, names: []string{review.Plan.Name}, text: review.Text}
}
