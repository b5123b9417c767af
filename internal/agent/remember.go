package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/wire"
)

// witness is the agent's part in keeping the server honest: it remembers the newest
// checkpoint of the audit log and takes a later one only if it follows. It belongs
// to whatever check-in is under way.
type witness struct {
	memory  *audit.Memory
	catalog Catalog
	log     *slog.Logger
	// told is the last trouble that was logged; the same again is not.
	told string
	// ahead counts checkpoints in a row of an epoch whose root this host lacks.
	ahead int
}

// aheadPatience is how many checkpoints of a later epoch than the catalog's are no
// trouble yet: at a change of the root they come before it.
const aheadPatience = 10

// seen is what the next check-in says of the audit log; nil if nothing is to be
// remembered.
func (w *witness) seen() *wire.AuditSeen {
	if w.memory == nil {
		return nil
	}
	seen := &wire.AuditSeen{}
	if kept, there := w.memory.Kept(); there && kept.Size > 0 {
		seen.Size, seen.Root = kept.Size, kept.Root[:]
	}
	if c := w.memory.Conflict(); c != nil {
		seen.Refused = &wire.AuditRefused{Kept: c.Kept, Offered: c.Offered}
	}
	return seen
}

// take takes the answer's checkpoint, if it has one. It is judged by the agent's own
// verified catalog.
func (w *witness) take(news *wire.AuditNews) {
	if w.memory == nil || news == nil {
		return
	}
	view, err := w.catalog.Load()
	if err != nil {
		return // no catalog yet; the server offers it again
	}
	proof := make([]audit.Hash, len(news.Proof))
	for i, h := range news.Proof {
		copy(proof[i][:], h)
	}
	failpoint.Here(failpoint.AgentCheckpointBefore)
	step, err := w.memory.Take(news.Checkpoint, view.Trust, proof)
	failpoint.Here(failpoint.AgentCheckpointAfter)
	w.ahead++
	if !errors.Is(err, audit.ErrOtherEpoch) || !later(news.Checkpoint, view.Trust) {
		w.ahead = 0
	}
	switch {
	case errors.Is(err, audit.ErrForked):
		w.trouble(slog.LevelError, "the server's audit log does not continue what it had signed before; its operators must reconcile it",
			"error", err, "evidence", w.memory.Dir())
	case w.ahead > 0 && w.ahead < aheadPatience:
		w.trouble(slog.LevelInfo, "the server's audit log waits for the catalog's next root", "error", err)
	case err != nil:
		w.trouble(slog.LevelWarn, "cannot take the server's checkpoint of its audit log", "error", err)
	case step == audit.StepAnew:
		w.told = ""
		w.log.Warn("the audit log began anew in a new epoch of the catalog")
	default:
		w.told = ""
	}
}

// later reports whether a checkpoint is of a later epoch than the trust.
func later(checkpoint []byte, trust hotstick.Trust) bool {
	c, err := audit.ParseCheckpoint(checkpoint)
	return err == nil && c.Epoch > trust.Epoch
}

func (w *witness) trouble(level slog.Level, what string, args ...any) {
	text := what + fmt.Sprint(args...)
	if text != w.told {
		w.told = text
		w.log.Log(context.Background(), level, what, args...)
	}
}
