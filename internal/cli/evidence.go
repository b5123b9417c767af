package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/strictjson"
)

func (a *app) evidence() *cobra.Command {
	return noun("evidence", "What laboratories and builders say of an artifact", a.evidenceSign(), a.evidenceAdd())
}

func (a *app) evidenceSign() *cobra.Command {
	var s signing
	cmd := &cobra.Command{
		Use:   "sign STATEMENT.json --key FILE",
		Short: "Sign an in-toto statement as a laboratory or a builder",
		Long: `STATEMENT.json is an in-toto statement of version 1 about artifacts, by their SHA-256
digests. Its predicate is a lab proof, SLSA provenance 1.0, or an in-toto test result 0.1:
see docs/reference/statements.md. The key is one that the catalog's root names for
evidence (hotstick catalog root DIR --add-evidence NAME=FILE.pub); it signs nothing else.
No server is asked.`,
		Args: exactly("STATEMENT.json"),
		RunE: func(_ *cobra.Command, args []string) error {
			if s.key == "" {
				return usage("--key FILE is the laboratory's or the builder's private key", "cannot sign without a key")
			}
			raw, err := readDocument(args[0], statement.MaxBytes)
			if err != nil {
				return err
			}
			var said statement.Evidence
			if err := strictjson.Unmarshal(bytes.TrimSpace(raw), &said); err != nil {
				return fail(exitUsage, "see hotstick evidence sign --help", "cannot read %s: it is no in-toto statement: %v", args[0], err)
			}
			if err := said.Validate(); err != nil {
				return fail(exitUsage, "see docs/reference/statements.md", "%v", err)
			}
			signer, err := a.openKey(s.key)
			if err != nil {
				return err
			}
			text, err := evidenceText(said)
			if err != nil {
				return err
			}
			return a.sign(s, "a laboratory or builder", text, func() ([]byte, error) { return statement.Sign(statement.KindEvidence, said, signer) })
		},
	}
	s.flags(cmd)
	s.outFlag(cmd)
	return cmd
}

// evidenceText is what is read before signing.
func evidenceText(e statement.Evidence) (string, error) {
	passed, err := e.Passed()
	if err != nil {
		return "", err
	}
	result := "speaks for"
	if !passed {
		result = "speaks against"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "This evidence (%s) %s:", e.PredicateType.Word(), result)
	for _, s := range e.Subject {
		fmt.Fprintf(&b, "\n  %s  sha256:%s", show.Clean(s.Name), s.Digest["sha256"])
	}
	return b.String(), nil
}

func (a *app) evidenceAdd() *cobra.Command {
	return &cobra.Command{
		Use:   "add FILE",
		Short: "Hand in evidence that a laboratory or a builder signed",
		Args:  exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := readDocument(args[0], statement.MaxBytes)
			if err != nil {
				return err
			}
			raw = bytes.TrimSpace(raw)
			read, err := statement.ParseEvidence(raw)
			if err != nil {
				return fail(exitUsage, "hotstick evidence sign writes one", "cannot read %s: it is no signed evidence", args[0])
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				taken, err := c.Evidence(ctx, api.StatementRequest{Envelope: raw})
				if err != nil {
					return err
				}
				return a.print(view{value: taken, names: []string{taken.Patch.String()}, text: func(show.Style) string {
					return fmt.Sprintf("took evidence (%s) for %s\n", read.Evidence.PredicateType.Word(), show.Clean(taken.Patch.String()))
				}})
			})
		},
	}
}
