package touch

import (
	"fmt"
	"reflect"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// Justify says why a thing must not be given a value, nil if it may. The program that
// has the rights asks it, and believes nobody but the ledger and the signed catalog:
//
// A change is justified by a record that is durable and not done yet, of the attempt
// under way, whose touch the catalog lists word by word for that level. Putting a value
// back is justified by a record that has it: that the change was once signed was
// checked when it was made, and the way back needs no document.
func Justify(led ledger.Ledger, boot string, signed func(hotstick.PatchRef) (hotstick.Patch, bool), t hotstick.Touch, value string) error {
	if led.Boot.ID != boot {
		return fmt.Errorf("cannot touch anything: the ledger is of another boot")
	}
	recorded := false
	for _, r := range led.Touched {
		if !reflect.DeepEqual(r.Touch, t) {
			continue
		}
		recorded = true
		if r.Was == value {
			return nil
		}
		if r.Set == value && !r.Settled && !r.Done && underWay(led, r.Level) {
			return listed(signed, r)
		}
	}
	if !recorded {
		return fmt.Errorf("cannot touch the %s: the ledger has no record of it", t.Thing())
	}
	return fmt.Errorf("cannot set the %s to %.80q: no record of the ledger says so", t.Thing(), value)
}

func underWay(led ledger.Ledger, ref hotstick.PatchRef) bool {
	a := led.Attempt
	return a != nil && (a.Level.Patch == ref || a.Before != nil && a.Before.Patch == ref)
}

func listed(signed func(hotstick.PatchRef) (hotstick.Patch, bool), r ledger.Touched) error {
	patch, ok := signed(r.Level)
	if !ok {
		return fmt.Errorf("cannot touch the %s for %s: the signed catalog does not have it", r.Touch.Thing(), r.Level)
	}
	for _, t := range patch.Touches {
		if reflect.DeepEqual(t, r.Touch) && wanted(t) == r.Set {
			return nil
		}
	}
	return fmt.Errorf("cannot touch the %s for %s: that is not in its signed manifest", r.Touch.Thing(), r.Level)
}
