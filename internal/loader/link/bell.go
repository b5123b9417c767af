package link

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/hotstick/hotstick"
)

// A call starts a loader that has ended for want of work, and what starts once a minute
// never ends. So the loader leaves a digest of its state where the agent can read it
// without a call: the agent that was told this very state need not ask again. During an
// attempt, and where the file cannot be written, there is none, and every check-in asks.

// BellPath is where the loader that listens on a socket leaves the digest of its state.
func BellPath(socket string) string { return socket + ".state" }

// maxBell bounds the file in bytes.
const maxBell = 128

// State is the digest of what a loader says of itself: everything but what belongs to
// one call. Two programs that do not know the same fields come to different digests,
// and the agent asks.
func (r Response) State() hotstick.Digest {
	r.Nonce, r.Refusals = "", nil
	encoded, err := json.Marshal(r)
	if err != nil {
		return ""
	}
	return hotstick.NewDigest(encoded)
}

// ReadBell returns the digest that a loader left at path; empty if there is none, and
// the loader must be asked.
func ReadBell(path string) hotstick.Digest {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxBell {
		return ""
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	digest := hotstick.Digest(strings.TrimSpace(string(data)))
	if digest.Validate() != nil {
		return ""
	}
	return digest
}

// Bell is the loader's side. It must not be rung by several goroutines at once.
type Bell struct {
	path string
	log  *slog.Logger
	rung hotstick.Digest
	// set: the file says what was rung last.
	set bool
}

// NewBell makes the bell of the loader that listens on a socket.
func NewBell(socket string, log *slog.Logger) *Bell { return &Bell{path: BellPath(socket), log: log} }

// Ring leaves the digest of the loader's state for the agent; empty if the agent must
// ask anyway. What cannot be written must not be believed, so then there is none.
func (b *Bell) Ring(state hotstick.Digest) {
	if b.set && b.rung == state {
		return
	}
	err := b.write(state)
	if err != nil {
		if b.set || b.rung != state { // once, and not at every tick
			b.log.Warn("cannot leave word for the agent; it asks at each check-in", "error", err)
		}
		if err := os.Remove(b.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			b.log.Error("cannot take back an old word to the agent", "error", err)
		}
	}
	b.rung, b.set = state, err == nil
}

func (b *Bell) write(state hotstick.Digest) error {
	if state == "" {
		if err := os.Remove(b.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	temp := b.path + ".new"
	if err := os.WriteFile(temp, []byte(state+"\n"), 0o644); err != nil {
		return err
	}
	// The umask of the unit is stricter than what the agent needs to read.
	if err := os.Chmod(temp, 0o644); err != nil {
		return err
	}
	return os.Rename(temp, b.path)
}
