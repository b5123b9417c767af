package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/cli/strict"
	"github.com/hotstick/hotstick/internal/statement"
)

func (a *app) template() *cobra.Command {
	return noun("template", "What persons agree on in calm times for an emergency", a.templateMake(), a.templateSign())
}

// templateFile is an emergency template as a person writes it.
type templateFile struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Name       string `yaml:"name"`
	// Patches are names of patches; a star at the end stands for any rest.
	Patches        []string         `yaml:"patches"`
	FirstWaveHosts int              `yaml:"first_wave_hosts"`
	Probation      string           `yaml:"probation"`
	Bake           string           `yaml:"bake"`
	Delay          string           `yaml:"delay"`
	Budgets        []templateBudget `yaml:"budgets"`
	Gate           templateGate     `yaml:"gate,omitempty"`
	// Life is that of a plan under the template, Valid that of the template.
	Life  string `yaml:"life"`
	Valid string `yaml:"valid"`
}

type templateBudget struct {
	Domain  string `yaml:"domain"`
	Max     int    `yaml:"max,omitempty"`
	Percent int    `yaml:"percent,omitempty"`
	Quorum  bool   `yaml:"quorum,omitempty"`
	Open    int    `yaml:"open,omitempty"`
	Mixed   string `yaml:"mixed,omitempty"`
}

type templateGate struct {
	MinReadings    int    `yaml:"min_readings,omitempty"`
	Fresh          string `yaml:"fresh,omitempty"`
	BackgroundPPM  int    `yaml:"background_ppm,omitempty"`
	FalseAlarmPPM  int    `yaml:"false_alarm_ppm,omitempty"`
	SlowTransition string `yaml:"slow_transition,omitempty"`
}

const templateKind = "EmergencyTemplate"

// template turns the file into the statement.
func (f templateFile) template(now time.Time) (statement.Template, error) {
	t := statement.Template{Name: f.Name, Patches: f.Patches, FirstWaveHosts: f.FirstWaveHosts, IssuedAt: now.UTC().Truncate(time.Second),
		Gate: hotstick.GateSettings{MinReadings: f.Gate.MinReadings, BackgroundPPM: f.Gate.BackgroundPPM, FalseAlarmPPM: f.Gate.FalseAlarmPPM}}
	var valid, slow int
	spans := []span{{"probation", f.Probation, &t.ProbationSeconds, true}, {"bake", f.Bake, &t.BakeSeconds, true}, {"delay", f.Delay, &t.DelaySeconds, true},
		{"life", f.Life, &t.LifeSeconds, true}, {"valid", f.Valid, &valid, true}, {"gate.fresh", f.Gate.Fresh, &t.Gate.FreshSeconds, false},
		{"gate.slow_transition", f.Gate.SlowTransition, &slow, false}}
	t.Budgets = make([]hotstick.Budget, len(f.Budgets))
	for i, b := range f.Budgets {
		t.Budgets[i] = hotstick.Budget{Domain: b.Domain, Max: b.Max, Percent: b.Percent, Quorum: b.Quorum, Open: b.Open}
		spans = append(spans, span{"mixed of " + b.Domain, b.Mixed, &t.Budgets[i].MixedSeconds, false})
	}
	if f.APIVersion != "hotstick/v1" || f.Kind != templateKind {
		return t, fmt.Errorf("cannot use the template: want apiVersion hotstick/v1 and kind %s", templateKind)
	}
	for _, s := range spans {
		if err := s.read(); err != nil {
			return t, err
		}
	}
	t.Gate.SlowTransitionMillis = slow * 1000
	t.NotAfter = t.IssuedAt.Add(time.Duration(valid) * time.Second)
	return t, t.Validate()
}

// span is a length of time of a file, in seconds.
type span struct {
	name, text string
	into       *int
	needed     bool
}

func (s span) read() error {
	if s.text == "" && !s.needed {
		return nil
	}
	d, ok := parseSpan(s.text)
	if !ok || d%time.Second != 0 {
		return fmt.Errorf("cannot use %q as the template's %s: want whole seconds, such as 90s, 10m or 7d", s.text, s.name)
	}
	*s.into = int(d / time.Second)
	return nil
}

func (a *app) templateMake() *cobra.Command {
	var s signing
	cmd := &cobra.Command{
		Use:   "make FILE.yaml --key FILE",
		Short: "Sign an emergency template; others sign it with template sign",
		Long: `An emergency template says how fast a plan may go with one approval instead of as
many as the catalog asks for; that many sign the template beforehand. FILE.yaml:

  apiVersion: hotstick/v1
  kind: EmergencyTemplate
  name: remote root
  patches: ["*"]
  first_wave_hosts: 1
  probation: 2m
  bake: 5m
  delay: 1m
  budgets: [{domain: fleet, percent: 10}]
  life: 1d       # of a plan under it
  valid: 180d    # of the template itself

hotstick rollout plan --emergency uses it.`,
		Args: exactly("FILE.yaml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := readDocument(args[0], statement.MaxBytes)
			if err != nil {
				return err
			}
			var f templateFile
			if err := strict.Decode(raw, statement.MaxBytes, &f); err != nil {
				return fail(exitUsage, "see hotstick template make --help", "cannot use %s: %v", args[0], err)
			}
			t, err := f.template(a.env.Now())
			if err != nil {
				return fail(exitUsage, "see hotstick template make --help", "%v", err)
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				signer, person, trust, err := a.signer(ctx, c, s.key)
				if err != nil {
					return err
				}
				return a.sign(s, person, templateText(t, trust.Approvals), func() ([]byte, error) { return statement.Sign(statement.KindTemplate, t, signer) })
			})
		},
	}
	s.flags(cmd)
	s.outFlag(cmd)
	return cmd
}

func (a *app) templateSign() *cobra.Command {
	return countersign(a, "an emergency template", readTemplate, func(said statement.Template, trust hotstick.Trust) string { return templateText(said, trust.Approvals) })
}

func readTemplate(file string) ([]byte, statement.Template, error) {
	raw, read, err := readSigned(file, "template", statement.ParseTemplate)
	return raw, read.Template, err
}

// templateText is what a person reads before signing.
func templateText(t statement.Template, approvals int) string {
	var b strings.Builder
	seconds := func(n int) string { return (time.Duration(n) * time.Second).String() }
	fmt.Fprintf(&b, "Emergency template %q: plans for %s need one approval instead of %d, until %s, if they keep within:\n", show.Clean(t.Name),
		show.Clean(strings.Join(t.Patches, ", ")), approvals, t.NotAfter.UTC().Format(time.RFC3339))
	fmt.Fprintf(&b, "  the first wave has at most %d hosts\n", t.FirstWaveHosts)
	fmt.Fprintf(&b, "  each host is on probation for at least %s\n", seconds(t.ProbationSeconds))
	fmt.Fprintf(&b, "  each wave bakes for at least %s and begins at least %s after the one before\n", seconds(t.BakeSeconds), seconds(t.DelaySeconds))
	for _, limit := range t.Budgets {
		fmt.Fprintf(&b, "  of one %s at most so many hosts are disturbed at once: %s\n", show.Clean(limit.Domain), show.Amount(limit))
	}
	fmt.Fprintf(&b, "  the plan lives for at most %s", seconds(t.LifeSeconds))
	return b.String()
}
