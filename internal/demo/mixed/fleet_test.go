package mixed

import (
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/kpatch"
	"github.com/hotstick/hotstick/internal/driver/suse"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

var (
	oldKernel   = kernelpkg.Kernel{Release: "6.1.0-47-cloud-amd64", Version: "6.1.170-3", BuildID: strings.Repeat("ab", 20)}
	fixedKernel = kernelpkg.Kernel{Release: "6.1.0-56-cloud-amd64", Version: "6.1.192-2", BuildID: strings.Repeat("cd", 20)}
)

// TestEveryRecipeIsOneOfItsDriver: what the demo publishes is what a vendor's system would
// be asked for.
func TestEveryRecipeIsOneOfItsDriver(t *testing.T) {
	for _, s := range fleet() {
		if s.recipe == nil {
			continue
		}
		r := s.recipe(oldKernel, fixedKernel)
		r.Schema, r.Driver, r.Build = hotstick.RecipeSchema, s.driver, buildOf(oldKernel)
		if _, err := r.Encode(); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
	if module, ok := kpatch.ModuleOf(kpatchPackage(oldKernel.Release)); !ok || module != kpatchModule(oldKernel.Release) {
		t.Errorf("the package of %s has the module %s, want %s", oldKernel.Release, module, kpatchModule(oldKernel.Release))
	}
	if module := suse.ModuleName(sles.recipe(oldKernel, fixedKernel).Packages[0]); module != suseModule {
		t.Errorf("SUSE's package has the module %s, want %s", module, suseModule)
	}
}

// TestTheFleetIsMixed: every system once, one host that reboots, no two in one rack, and
// two on the same build and system, one of which waits for the other's evidence.
func TestTheFleetIsMixed(t *testing.T) {
	drivers, lanes, racks := map[string]int{}, map[string]int{}, map[byte]bool{}
	for _, s := range fleet() {
		drivers[s.driver]++
		lanes[s.driver+" "+s.line]++
		rack := s.name[len(s.name)-1]
		if racks[rack] {
			t.Errorf("%s shares its rack", s.name)
		}
		racks[rack] = true
		if s.driver != klp.driver && !strings.Contains(s.plays, "rig") {
			t.Errorf("%s does not say that it is a rig: %s", s.name, s.plays)
		}
	}
	for _, driver := range []string{"klp", "kpatch", "suse", "canonical", "kernelcare", "ksplice", "reboot"} {
		if drivers[driver] == 0 {
			t.Errorf("nobody has %s", driver)
		}
	}
	if lanes["klp 6.12"] != 2 || len(lanes) != len(drivers) {
		t.Errorf("the lanes are %v", lanes)
	}
	if windows[len(windows)-1] != '9' || racks['9'] {
		t.Errorf("%s shares its rack", windows)
	}
}
