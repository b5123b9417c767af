package view

import (
	"fmt"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// telling is a host that has told what its drivers can do.
func telling(name string, drivers ...hotstick.Capabilities) store.Host {
	return store.Host{ID: hotstick.HostID("h-" + name), Name: name, Facts: &hotstick.Facts{Drivers: drivers}}
}

func TestTheFleetIsCountedByItsSystems(t *testing.T) {
	live := []hotstick.Reversibility{hotstick.ReversibleLive, hotstick.ReversibleReboot}
	care := hotstick.Capabilities{Driver: "kernelcare", Available: true, Schedules: true, Rollback: live, Undo: hotstick.UndoAll, Tool: "kcarectl 2.90"}
	held, older := care, care
	held.Held, older.Tool = true, "kcarectl 2.80"
	gone := hotstick.Capabilities{Driver: "kernelcare", Reason: &hotstick.Reason{Code: hotstick.ReasonNotEntitled, Detail: "no licence"}}
	suse := hotstick.Capabilities{Driver: "suse", Available: true, Undo: hotstick.UndoPrevious, Rollback: live[1:], CoverUntil: time.Date(2027, 3, 19, 0, 0, 0, 0, time.UTC)}
	packaged := hotstick.Capabilities{Driver: "kpatch", Available: true, Undo: hotstick.UndoReboot, Rollback: live[1:]}
	own := hotstick.Capabilities{Driver: "kpatch", Available: true, Undo: hotstick.UndoDisable, Rollback: live}
	reboot := hotstick.Capabilities{Driver: "reboot"}
	got := Drivers([]store.Host{telling("a", held), telling("b", care), telling("c", older), telling("d", gone, suse), telling("e", packaged, own), telling("f", packaged),
		telling("g", reboot), {Name: "has not told yet"}})
	var names []string
	for _, d := range got {
		names = append(names, d.Driver)
	}
	if fmt.Sprint(names) != "[kernelcare kpatch reboot suse]" {
		t.Fatalf("drivers %v", names)
	}
	kernelcare, kpatch, rebooting, sles := got[0], got[1], got[2], got[3]
	if kernelcare.Hosts != 4 || kernelcare.Available != 3 || kernelcare.Scheduling != 3 || kernelcare.Held != 1 || len(kernelcare.Unheld) != 2 || kernelcare.Unheld[0].Name != "b" {
		t.Errorf("kernelcare: %+v", kernelcare)
	}
	if kernelcare.Class != hotstick.TrustPin || kernelcare.Claim != hotstick.TrustPin.Claim() || len(kernelcare.Tools) != 2 || kernelcare.Tools[0].Tool != "kcarectl 2.90" || kernelcare.Tools[0].Hosts != 2 {
		t.Errorf("kernelcare: %+v", kernelcare)
	}
	if len(kernelcare.Reasons) != 1 || kernelcare.Reasons[0].Reason.Code != hotstick.ReasonNotEntitled || kernelcare.Reasons[0].Reason.Text == "" {
		t.Errorf("why not: %+v", kernelcare.Reasons)
	}
	if len(kpatch.Abilities) != 2 || kpatch.Abilities[0].Undo != hotstick.UndoReboot || kpatch.Abilities[0].Hosts != 2 || len(kpatch.Abilities[1].Rollback) != 2 {
		t.Errorf("kpatch: %+v", kpatch.Abilities)
	}
	if !rebooting.Reboots || rebooting.Available != 0 || rebooting.Reasons[0].Reason.Code != hotstick.ReasonUnsupported {
		t.Errorf("reboot: %+v", rebooting)
	}
	if sles.Cover["2027-03"] != 1 || sles.Scheduling != 0 {
		t.Errorf("suse: %+v", sles)
	}
}

func TestOneHostCannotFillTheListOfDrivers(t *testing.T) {
	var hosts []store.Host
	for i := range 3 * listed {
		hosts = append(hosts, telling(fmt.Sprint(i), hotstick.Capabilities{Driver: "kernelcare", Available: true, Schedules: true, Tool: fmt.Sprintf("tool %d", i)}),
			telling(fmt.Sprint("x", i), hotstick.Capabilities{Driver: "kernelcare", Reason: &hotstick.Reason{Code: hotstick.ReasonToolFailed, Detail: fmt.Sprint(i)}}))
	}
	d := Drivers(hosts)[0]
	if len(d.Tools) != listed || len(d.Reasons) != listed || len(d.Unheld) != listed || d.Hosts != 6*listed {
		t.Errorf("%d tools, %d reasons, %d hosts named of %d", len(d.Tools), len(d.Reasons), len(d.Unheld), d.Hosts)
	}
}
