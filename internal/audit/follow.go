package audit

import "fmt"

// Step says how a checkpoint stands to the one that was kept. The set is closed.
type Step string

const (
	// StepFirst: none was kept.
	StepFirst Step = "first"
	// StepSame: the log has not grown.
	StepSame Step = "same"
	// StepGrown: the log continues the kept one.
	StepGrown Step = "grown"
	// StepAnew: an offline signature began a new epoch, and the log does not continue
	// the kept one.
	StepAnew Step = "anew"
)

// Conflict is what two checkpoints prove together that cannot both be true of one
// log: the server, or a thief with its keys, rewrote the log or put an older
// database back. It wraps [ErrForked].
type Conflict struct {
	// Kept and Offered are the signed notes.
	Kept, Offered []byte
	// Old and New say what they sign.
	Old, New Checkpoint
}

// Error says what the log did, with sizes.
func (c *Conflict) Error() string {
	if c.Shrunk() {
		return fmt.Sprintf("cannot follow the audit log: the server shows %d leaves, and had signed %d before", c.New.Size, c.Old.Size)
	}
	return fmt.Sprintf("cannot follow the audit log: its %d leaves do not begin with the %d that the server had signed before", c.New.Size, c.Old.Size)
}

// Shrunk: leaves are gone; otherwise they were rewritten.
func (c *Conflict) Shrunk() bool { return c.New.Size < c.Old.Size }

// Unwrap makes it an ErrForked.
func (c *Conflict) Unwrap() error { return ErrForked }

// Follow decides how an offered checkpoint stands to the one that was kept. Both
// were verified; the proof is that of growth from one to the other. What does not
// follow within one epoch is a [*Conflict] without notes; so is one of an older
// epoch.
func Follow(kept, offered Checkpoint, proof []Hash) (Step, error) {
	grown := offered.Size >= kept.Size && CheckGrowth(proof, kept.Head, offered.Head) == nil
	switch {
	case offered.Epoch < kept.Epoch:
		return "", &Conflict{Old: kept, New: offered}
	case offered.Head == kept.Head:
		return StepSame, nil
	case grown:
		return StepGrown, nil
	case offered.Epoch > kept.Epoch:
		return StepAnew, nil
	}
	return "", &Conflict{Old: kept, New: offered}
}
