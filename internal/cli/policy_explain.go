package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/settings"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/decide/policy"
)

// maxSubject bounds a file that describes one host or one patch.
const maxSubject = 64 << 10

// explanation is what policy explain says, as a document.
type explanation struct {
	Policy   hotstick.PolicyRef `json:"policy"`
	Host     string             `json:"host"`
	Patch    hotstick.PatchRef  `json:"patch"`
	Eligible bool               `json:"eligible"`
	Reason   *hotstick.Reason   `json:"reason,omitempty"`
	Ring     string             `json:"ring,omitempty"`
	Calendar string             `json:"calendar,omitempty"`
	// Opens is when the host may start for the first time, if a plan is made now.
	Opens *time.Time   `json:"opens,omitempty"`
	Last  bool         `json:"last"`
	Trace policy.Trace `json:"trace"`
}

// question is what policy explain is asked.
type question struct {
	policy, host, patch, age, at string
	// waivers are files of waivers that are judged by, whoever signed them.
	waivers []string
}

func (a *app) policyExplain() *cobra.Command {
	var q question
	cmd := &cobra.Command{
		Use:   "explain FILE --host FILE|NAME --patch FILE|NAME@LEVEL",
		Short: "Explain why a policy picks a host, or why not",
		Long: `Judges one host for one patch and shows every rule with the part of it that
decided. Host and patch are YAML files, written as in a policy's tests, or names that
the server is asked for. FILE may also be the name of a policy. A host that the server
is asked for is judged with the server's waivers.`,
		Args:              exactly("FILE"),
		ValidArgsFunction: a.completePolicyFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := a.explainPolicy(cmd, args[0], q)
			if err != nil {
				return err
			}
			return a.print(view{value: e, names: []string{e.Host},
				text: func(st show.Style) string { return explainText(e, st) }})
		},
	}
	cmd.Flags().StringVar(&q.host, "host", "", "a file with the host, or its name on the server")
	cmd.Flags().StringVar(&q.patch, "patch", "", "a file with the patch, or its NAME@LEVEL in the server's catalog")
	cmd.Flags().StringVar(&q.policy, "policy", "", "which policy, if the file has several")
	cmd.Flags().StringVar(&q.age, "age", "", "how long ago a patch of the catalog was published, such as 3d")
	cmd.Flags().StringVar(&q.at, "at", "", "judge at this time instead of now, such as 2026-11-30T18:00Z")
	cmd.Flags().StringSliceVar(&q.waivers, "waiver", nil, "judge by the waiver in this file too, whoever signed it; may be repeated")
	_ = cmd.RegisterFlagCompletionFunc("patch", a.completePatches())
	return cmd
}

func (a *app) explainPolicy(cmd *cobra.Command, file string, q question) (explanation, error) {
	var e explanation
	if q.host == "" || q.patch == "" {
		return e, usage("usage: "+cmd.UseLine(), "cannot explain without --host and --patch")
	}
	now := a.env.Now()
	if q.at != "" {
		var err error
		if now, err = parseWhen("at", q.at, now); err != nil {
			return e, err
		}
	}
	raw, err := a.policyText(cmd, file)
	if err != nil {
		return e, err
	}
	set, err := policy.Parse(raw)
	if err != nil {
		return e, problemsFailure(file, err, a.style())
	}
	host, waivers, err := a.policyHost(cmd, q.host)
	if err != nil {
		return e, err
	}
	for _, file := range q.waivers {
		_, said, err := readWaiver(file)
		if err != nil {
			return e, err
		}
		waivers = append(waivers, policy.Waiver{Name: said.Name, Policy: said.Policy, Text: said.Text, Rules: said.Rules, LeaveOut: said.LeaveOut,
			Hosts: said.Hosts, Why: said.Why, By: []hotstick.Person{"signatures not checked"}, Until: said.NotAfter})
	}
	compiled, err := set.Compile(q.policy, now, waivers...)
	if err != nil {
		return e, problemsFailure(file, err, a.style())
	}
	patch, err := a.policyPatch(cmd, q, now)
	if err != nil {
		return e, err
	}
	return newExplanation(compiled, host, patch, now), nil
}

func newExplanation(p *policy.Policy, host policy.Host, patch policy.Patch, now time.Time) explanation {
	v, trace := p.For(patch, now).Explain(host)
	shape := p.Shape()
	e := explanation{Policy: shape.Policy, Host: host.Name, Patch: hotstick.PatchRef{Name: patch.Name, Level: patch.Level},
		Eligible: v.Reason == nil, Reason: v.Reason, Calendar: v.Calendar, Last: v.Last, Trace: trace}
	if rings := p.Rings(); e.Eligible && len(rings) > 0 {
		e.Ring = rings[v.Ring]
	}
	if i := slices.IndexFunc(shape.Calendars, func(c hotstick.Calendar) bool { return c.Name == v.Calendar }); i >= 0 {
		e.Opens = &shape.Calendars[i].Opens[0].From
	}
	return e
}

// policyHost reads a host from a file, or asks the server for it and for the waivers
// that hold there.
func (a *app) policyHost(cmd *cobra.Command, arg string) (policy.Host, []policy.Waiver, error) {
	raw, err := readDocument(arg, maxSubject)
	if err == nil {
		h, err := policy.ParseHost(raw)
		if err != nil {
			return h, nil, problemsFailure(arg, err, a.style())
		}
		return h, nil, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return policy.Host{}, nil, err
	}
	var h policy.Host
	var waivers []policy.Waiver
	err = a.with(cmd, func(ctx context.Context, c *client.Client) error {
		d, err := c.Host(ctx, arg)
		if err != nil {
			return err
		}
		h = policy.NewHost(d.Host.ID, d.Host.Name, d.Facts, d.Host.InEffect)
		held, err := c.Waivers(ctx)
		for _, w := range held.Waivers {
			if w.Standing == "holds" {
				waivers = append(waivers, policy.Waiver{Name: w.Name, Policy: w.Policy, Text: w.Text, Rules: w.Rules, LeaveOut: w.LeaveOut,
					Hosts: w.Hosts, Why: w.Why, By: w.By, Until: w.NotAfter})
			}
		}
		return err
	})
	return h, waivers, withoutServer(err, "host", arg)
}

// policyPatch reads a patch from a file, or asks the server's catalog for it.
func (a *app) policyPatch(cmd *cobra.Command, q question, now time.Time) (policy.Patch, error) {
	raw, err := readDocument(q.patch, maxSubject)
	if err == nil {
		p, err := policy.ParsePatch(raw, now)
		if err != nil {
			return p, problemsFailure(q.patch, err, a.style())
		}
		return p, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return policy.Patch{}, err
	}
	ref, err := patchRef(q.patch)
	if err != nil {
		return policy.Patch{}, err
	}
	var published time.Time
	if q.age != "" {
		age, ok := parseSpan(q.age)
		if !ok {
			return policy.Patch{}, usage("write a length such as 12h or 3d", "cannot read %q as --age", q.age)
		}
		published = now.Add(-age)
	}
	var p policy.Patch
	err = a.with(cmd, func(ctx context.Context, c *client.Client) error {
		found, err := c.Patch(ctx, ref)
		if err != nil {
			return err
		}
		p = policy.NewPatch(found.Patch)
		p.Evidence = found.Proven
		if !published.IsZero() {
			p.Published = published
		}
		return nil
	})
	return p, withoutServer(err, "patch", q.patch)
}

// withoutServer says what could be given instead of a name.
func withoutServer(err error, what, arg string) error {
	if errors.Is(err, settings.ErrNoServer) {
		return usage("give a file, or configure a server to ask", "cannot find the %s %q: there is no such file, and no server is configured", what, arg)
	}
	return err
}

// explainText is the verdict in a sentence, then every rule below its list.
func explainText(e explanation, st show.Style) string {
	var b strings.Builder
	fmt.Fprintln(&b, st.Bold(show.Escape(e.sentence())))
	list := ""
	for _, s := range e.Trace.Steps {
		if s.List != list {
			list = s.List
			fmt.Fprintf(&b, "  %s\n", list)
		}
		held := "no"
		if s.Held {
			held = "yes"
		}
		fmt.Fprintf(&b, "    %-3s  %s: %s\n", held, show.Clean(s.Name), show.Escape(s.Because))
		for _, v := range s.Values {
			fmt.Fprintf(&b, "         %s is %s\n", show.Escape(v.Expression), show.Escape(v.Value))
		}
		if w := s.Waiver; w != nil {
			fmt.Fprintf(&b, "         waiver %s (%s) until %s: %s\n", show.Clean(w.Name), show.Clean(persons(w.By)),
				w.Until.UTC().Format(time.RFC3339), show.Clean(w.Why))
		}
	}
	return b.String()
}

func (e explanation) sentence() string {
	host := e.Host
	if host == "" {
		host = "The host"
	}
	if !e.Eligible {
		return fmt.Sprintf("%s is left out by %s: %s", host, e.Reason.Subject, e.Reason.Detail)
	}
	text := fmt.Sprintf("%s takes %s", host, e.Patch)
	if e.Ring != "" {
		text += ", ring " + e.Ring
	}
	if e.Calendar != "" {
		text += fmt.Sprintf(", calendar %s", e.Calendar)
	}
	if e.Opens != nil {
		text += ", from " + e.Opens.UTC().Format(time.RFC3339)
	}
	if e.Last {
		text += ", last"
	}
	return text
}
