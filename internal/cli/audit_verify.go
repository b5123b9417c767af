package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/cli/show"
)

// auditVerified is the answer of audit verify.
type auditVerified struct {
	Leaves int64     `json:"leaves"`
	Root   string    `json:"root"`
	Epoch  uint64    `json:"epoch"`
	Signed time.Time `json:"signed"`
	// Read: every leaf was read; otherwise only that the log continues what was
	// remembered.
	Read bool `json:"read"`
	// Kept is how many remembered checkpoints the log was compared with.
	Kept int `json:"kept"`
}

func (a *app) auditVerify() *cobra.Command {
	var from, keys string
	var quick bool
	var checkpoints []string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that the audit log is whole and continues what was seen before",
		Long: `Fetches the server's newest checkpoint, verifies its signature by the catalog's
root, checks that its log continues the one that this command saw before, then
reads every leaf and recomputes the tree. What it saw is remembered, so verify
often, and on more than one machine.

With --from it verifies an export instead, without a server: against the export's
own checkpoint and against those that --checkpoint names, such as the one that an
agent keeps in its audit directory.

A log that was changed ends with exit code 6 and the first wrong leaf, or the
leaves between two checkpoints if no more can be told.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case from != "" && quick:
				return usage("an export is always read whole", "cannot use --quick with --from")
			case from != "":
				return a.verifyExport(from, keys, checkpoints)
			case keys != "" || len(checkpoints) > 0:
				return usage("they are for an export: --from DIR", "cannot use --keys or --checkpoint without --from")
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error { return a.verifyOnline(ctx, c, quick) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "verify the export in this directory, without a server")
	flags.StringVar(&keys, "keys", "", "with --from: the file of the log's keys, if not the export's own")
	flags.StringSliceVar(&checkpoints, "checkpoint", nil, "with --from: another checkpoint that was kept; may be repeated")
	flags.BoolVar(&quick, "quick", false, "only check that the log continues what was seen before")
	_ = cmd.MarkFlagDirname("from")
	return cmd
}

func (a *app) verifyOnline(ctx context.Context, c *client.Client, quick bool) error {
	seen, err := a.follow(ctx, c)
	if err != nil {
		return err
	}
	if !quick {
		if err := audit.VerifyLog(&remoteLog{ctx: ctx, client: c, progress: a.progress("verified", seen.Size)}, seen.heads...); err != nil {
			return explainFault(err)
		}
	}
	if err := a.printVerified(seen.Checkpoint, !quick, len(seen.heads)); err != nil {
		return err
	}
	if seen.dispute != "" {
		return fail(exitRefused, disputedHint, "cannot vouch for this log: host %s holds a checkpoint that it does not continue", seen.dispute)
	}
	return nil
}

// explainFault gives a fault of the log its exit code; trouble in reading it stays
// what it is.
func explainFault(err error) error {
	var fault *audit.Fault
	var problem *client.Error
	var unreachable *client.Unreachable
	if !errors.As(err, &fault) || errors.As(err, &unreachable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.As(err, &problem) && problem.Status >= 500 {
		return err
	}
	return fail(exitRefused, disputedHint, "%v", fault)
}

func (a *app) printVerified(c audit.Checkpoint, read bool, kept int) error {
	out := auditVerified{Leaves: c.Size, Root: c.Root.String(), Epoch: c.Epoch, Signed: c.At, Read: read, Kept: kept}
	text := func(show.Style) string {
		what := "The audit log continues what was seen before"
		if read {
			what = "The audit log is whole"
		}
		return fmt.Sprintf("%s: %d leaves, signed %s, compared with %s.\n", what, c.Size, c.At.Format(time.RFC3339), count(kept, "kept checkpoint"))
	}
	return a.print(view{value: out, names: []string{out.Root}, text: text})
}

// remoteLog is a server's log, read page by page from its first leaf.
type remoteLog struct {
	ctx      context.Context
	client   *client.Client
	progress func(done int64)
	page     []api.AuditLeaf
}

// leavesPage is how many leaves are asked for at once.
const leavesPage = 1000

func (l *remoteLog) at(seq int64) (api.AuditLeaf, error) {
	if len(l.page) == 0 || seq < l.page[0].Seq || seq > l.page[len(l.page)-1].Seq {
		got, err := l.client.AuditLeaves(l.ctx, seq, leavesPage)
		if err != nil {
			return api.AuditLeaf{}, err
		}
		if len(got.Leaves) == 0 {
			return api.AuditLeaf{}, fmt.Errorf("cannot find it: the server shows %d leaves: %w", got.Size, fs.ErrNotExist)
		}
		for i, leaf := range got.Leaves {
			if leaf.Seq != seq+int64(i) {
				return api.AuditLeaf{}, fmt.Errorf("cannot read leaf %d: the server shows leaf %d in its place", seq+int64(i), leaf.Seq)
			}
		}
		l.page = got.Leaves
		l.progress(seq)
	}
	return l.page[seq-l.page[0].Seq], nil
}

// Leaf implements [audit.Log].
func (l *remoteLog) Leaf(seq int64) ([]byte, error) {
	leaf, err := l.at(seq)
	return []byte(leaf.Leaf), err
}

// ReadHashes implements [audit.Log] for the hashes of one leaf.
func (l *remoteLog) ReadHashes(indexes []int64) ([]audit.Hash, error) {
	out := make([]audit.Hash, len(indexes))
	for i, index := range indexes {
		seq, nth := audit.Place(index)
		leaf, err := l.at(seq)
		if err != nil {
			return nil, err
		}
		if nth >= len(leaf.Hashes) {
			return nil, fmt.Errorf("cannot find hash %d of leaf %d", nth, seq)
		}
		copy(out[i][:], leaf.Hashes[nth])
	}
	return out, nil
}

// progress tells a person now and then how far something long has come.
func (a *app) progress(what string, total int64) func(done int64) {
	const every = 5 * time.Second
	last := a.env.Now()
	return func(done int64) {
		if now := a.env.Now(); now.Sub(last) >= every {
			last = now
			a.note(fmt.Sprintf("%s %d of %d leaves", what, done, total))
		}
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func lines(data []byte) []string {
	return strings.FieldsFunc(string(data), func(r rune) bool { return r == '\n' || r == '\r' })
}
