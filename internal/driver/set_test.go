package driver_test

import (
	"context"
	"errors"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/kernel"
)

// one is a driver of which only what it says is asked.
type one struct {
	driver.Changer
	name      string
	available bool
	patches   []hotstick.LoadedPatch
	err       error
}

func (o one) Name() string { return o.name }

func (o one) Capabilities(context.Context) hotstick.Capabilities {
	return hotstick.Capabilities{Driver: o.name, Available: o.available}
}

func (o one) Observe(context.Context) ([]hotstick.LoadedPatch, error) { return o.patches, o.err }

// TestWhatCannotBeReadIsNeverNothing: a driver that cannot be used any more may still have
// patches in the kernel.
func TestWhatCannotBeReadIsNeverNothing(t *testing.T) {
	broken := errors.New("cannot read it")
	klp := one{name: "klp", available: true, patches: []hotstick.LoadedPatch{{Module: "fix", Driver: "klp", State: hotstick.InEffect}}}
	vendor := one{name: "suse"}
	for _, c := range []struct {
		name   string
		change func(klp, vendor *one)
		known  bool
	}{
		{"all is there", func(k, v *one) {}, true},
		{"the vendor's system is not there", func(k, v *one) { v.err = broken }, true},
		{"the vendor's system is there and says nothing", func(k, v *one) { v.err, v.available = broken, true }, false},
		{"klp cannot be read", func(k, v *one) { k.err = broken }, false},
		{"klp can be used no more and cannot be read", func(k, v *one) { k.err, k.available = broken, false }, false},
		{"the kernel has no live patching", func(k, v *one) { k.err, k.available, k.patches = kernel.ErrNoLivepatch, false, nil }, true},
	} {
		k, v := klp, vendor
		c.change(&k, &v)
		set, err := driver.NewSet(k, v)
		if err != nil {
			t.Fatal(err)
		}
		patches, err := set.Observe(t.Context())
		if (err == nil) != c.known || err == nil && len(patches) != len(k.patches) {
			t.Errorf("%s: %+v, %v", c.name, patches, err)
		}
	}
}
