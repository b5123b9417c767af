package agent_test

import (
	"slices"
	"testing"
	"testing/fstest"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/klp"
)

// bare is a machine whose kernel knows neither modules nor live patches.
func bare() fstest.MapFS {
	return fstest.MapFS{
		"proc/sys/kernel/random/boot_id": {Data: []byte("115d7128-2911-4fb8-ab22-b08c6015dd04\n")},
		"proc/sys/kernel/osrelease":      {Data: []byte("6.1.0-47-amd64\n")},
		"proc/sys/kernel/arch":           {Data: []byte("x86_64\n")},
		"proc/sys/kernel/tainted":        {Data: []byte("0\n")},
		"proc/sys/kernel/hostname":       {Data: []byte("n1\n")},
		"sys/kernel/notes": {Data: []byte("\x04\x00\x00\x00\x14\x00\x00\x00\x03\x00\x00\x00GNU\x00" +
			"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14")},
	}
}

func machine(fsys fstest.MapFS) *agent.Machine {
	return &agent.Machine{Root: fsys, Drivers: []driver.Observer{klp.NewObserver(fsys)}, Labels: map[string]string{"rack": "a3"}}
}

func TestAHostThatCannotBePatchedIsStillSeen(t *testing.T) {
	m := machine(bare())
	facts, err := m.Facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if facts.Host.Hostname != "n1" || facts.Labels["rack"] != "a3" || len(facts.Drivers) != 1 || facts.Drivers[0].Available || facts.Drivers[0].Reason == nil {
		t.Errorf("the facts are %+v", facts)
	}
	if patches, err := m.Patches(t.Context()); err != nil || len(patches) != 0 {
		t.Errorf("patches are %v, %v", patches, err)
	}
}

func TestThereAreNoFactsWithoutBootOrBuild(t *testing.T) {
	for _, file := range []string{"proc/sys/kernel/random/boot_id", "sys/kernel/notes"} {
		fsys := bare()
		delete(fsys, file)
		if _, err := machine(fsys).Facts(t.Context()); err == nil {
			t.Errorf("there are facts without %s", file)
		}
	}
}

func TestTheConfiguredNameBeatsTheKernels(t *testing.T) {
	m := machine(bare())
	m.Hostname = "web-1"
	if facts, err := m.Facts(t.Context()); err != nil || facts.Host.Hostname != "web-1" {
		t.Errorf("the host is called %q, %v", facts.Host.Hostname, err)
	}
}

func TestWhatIsKeptBackIsNotAmongTheFacts(t *testing.T) {
	fsys := bare()
	fsys["proc/sys/kernel/panic"] = &fstest.MapFile{Data: []byte("10\n")}
	fsys["run/reboot-required"] = &fstest.MapFile{}
	m := machine(fsys)
	facts, err := m.Facts(t.Context())
	if err != nil || facts.Sysctls["kernel.panic"] != "10" || !facts.Services.RebootRequired || facts.Withheld != nil {
		t.Errorf("all facts are %+v, %v", facts, err)
	}
	m.Withheld = []string{hotstick.GroupServices, hotstick.GroupSysctls}
	facts, err = m.Facts(t.Context())
	if err != nil || facts.Sysctls != nil || facts.Services.RebootRequired || !slices.Equal(facts.Withheld, m.Withheld) {
		t.Errorf("without two groups the facts are %+v, %v", facts, err)
	}
}
