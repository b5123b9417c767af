package loader

import (
	"context"
	"crypto/ed25519"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
)

// Clock tells the time. Uptime decides; Now is for people and for expiry.
type Clock interface {
	// Now is the wall clock. It may jump. What ends is not judged by it alone: see
	// catalog.View.Refreshed.
	Now() time.Time
	// Uptime is the boot's age on a clock that never jumps. It starts near zero
	// at boot and is the same for every process of the boot.
	Uptime() time.Duration
}

// Disk is where the loader keeps its ledger and its own copies of signed bytes.
// Every write is durable when it returns.
type Disk interface {
	// Load returns the ledger's bytes; fs.ErrNotExist if there is none.
	Load() ([]byte, error)
	// Save replaces the ledger: a crash leaves the old one or the new one.
	Save(data []byte) error
	// Keep stores bytes under their digest.
	Keep(digest hotstick.Digest, data []byte) error
	// Kept returns kept bytes, intact; fs.ErrNotExist if they are not there.
	Kept(digest hotstick.Digest) ([]byte, error)
	// Sweep drops every kept file but the wanted ones.
	Sweep(wanted map[hotstick.Digest]bool) error
}

// Kernel is what the loader reads of the kernel it runs on.
type Kernel interface {
	// Boot returns the boot ID.
	Boot() (string, error)
	// Build returns the running kernel build.
	Build() (hotstick.KernelBuild, error)
	// Taint returns the kernel's taint mask.
	Taint() (uint64, error)
	// Faults returns what the kernel logged against its own health after the mark,
	// oldest first, and the mark of now. Marks rise within a boot and are the log's
	// own, for its timestamps drift from every other clock.
	Faults(after uint64) (faults []Fault, newest uint64, err error)
	// Crashes returns the records that earlier boots left of their end.
	Crashes() ([]Crash, error)
}

// Fault is one sign of ill health in the kernel log: an oops, a BUG, a warning,
// a hung task.
type Fault struct {
	Kind string
	Text string
}

// Crash is what a boot left of its end in persistent memory.
type Crash struct {
	// ID identifies the record, so that it is judged once.
	ID hotstick.Digest
	// Fatal: the boot ended with it. An oops that the kernel survived is not fatal.
	Fatal bool
	// Text is the kernel's log from the fault on.
	Text string
}

// Tasks looks for the tasks that keep a transition from ending.
type Tasks interface {
	// Blocking tells which tasks have not followed the transition that the patches
	// show, as far as it finds out in a fraction of a second. How long the transition
	// has run is left to the loader.
	Blocking(patches []hotstick.LoadedPatch) hotstick.Stall
}

// Catalog is the loader's own verified copy of the catalog; catalog.Client is one,
// whose source is the directory that the agent stages files in. The loader never
// calls it twice at once.
type Catalog interface {
	// Refresh verifies what is staged. On error the last trusted view stays.
	Refresh(ctx context.Context, now time.Time) (catalog.View, error)
	// Load returns the last trusted view, also an expired one; fs.ErrNotExist if
	// there is none.
	Load() (catalog.View, error)
	// Artifact returns the verified bytes of an artifact of the last trusted view.
	Artifact(ctx context.Context, digest hotstick.Digest) ([]byte, error)
}

// Labels returns the host's own labels, as whoever administers the host set them.
type Labels func() (map[string]string, error)

// Identity returns the public half of the host's identity key. It is asked until
// it succeeds once; then its fingerprint is pinned in the ledger.
type Identity func() (ed25519.PublicKey, error)
