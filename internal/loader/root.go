package loader

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// PinRoot pins another root of the catalog in the place of the one from which trust
// started until now, for an owner whose root's keys are lost or stolen. What the
// ledger knows stays: strikes, bans, halts, clears, permits, levels and clocks; and
// the epoch only rises, so that nothing that was signed under the old root starts
// anything under the new one. It is refused while an attempt is under way, and may be
// repeated. Only a person on the host asks for it: neither agent nor server can.
func (l *Loader) PinRoot(root hotstick.Digest, epoch uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.led.Root == root:
		return nil
	case l.led.Attempt != nil:
		return errors.New("cannot pin another root while an attempt is under way: wait until it has ended")
	case epoch <= l.led.Epoch:
		return fmt.Errorf("cannot pin a root of epoch %d: this host has seen epoch %d, and what was signed before must end; found the root in a higher epoch", epoch, l.led.Epoch)
	}
	err := l.change(func(led *ledger.Ledger) {
		pinned := append(led.Roots, ledger.PinnedRoot{Root: root, Epoch: epoch, At: l.cfg.Clock.Now().UTC()})
		led.Root, led.Epoch, led.Roots = root, epoch, slices.Clone(pinned[max(0, len(pinned)-ledger.MaxRoots):])
	})
	if err == nil {
		l.view, l.viewed = catalog.View{}, false // that of the old root
		l.cfg.Log.Info("another root of the catalog is pinned", "root", root.Short(), "epoch", epoch)
	}
	return err
}

// strange reports whether the loader was told another root than the ledger has pinned:
// then no catalog counts until a person says that this is meant. The caller holds mu,
// or is New.
func (l *Loader) strange() bool {
	return l.cfg.Root != "" && l.led.Root != "" && l.led.Root != l.cfg.Root
}

// learnRoot pins the root with the first catalog that was verified from it. The caller
// holds mu.
func (l *Loader) learnRoot() {
	if l.broken != nil || l.cfg.Root == "" || l.led.Root != "" {
		return
	}
	if err := l.change(func(led *ledger.Ledger) { led.Root = l.cfg.Root }); err != nil {
		l.cfg.Log.Error("cannot pin the catalog's root", "error", err)
	}
}
