package loader

import (
	"errors"
	"fmt"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// PinAnew pins the identity that the host has now in the place of the one that it
// gave up, for one of two machines that were made from one disk. Everything else that
// the ledger knows stays: strikes, bans, permits and what was seen of the catalog. It
// is refused while an attempt is under way, and may be repeated. Only a person on the
// host asks for it: the agent cannot.
func (l *Loader) PinAnew() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.led.Attempt != nil {
		return errors.New("cannot pin another identity while an attempt is under way: wait until it has ended")
	}
	key, err := l.cfg.Identity()
	if err != nil {
		return fmt.Errorf("cannot pin another identity: %w", err)
	}
	if l.led.Identity == hotstick.NewFingerprint(key) {
		return nil
	}
	return l.change(func(led *ledger.Ledger) { led.Identity = hotstick.NewFingerprint(key) })
}
