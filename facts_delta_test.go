package hotstick_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick"
)

// someFacts draws facts, of which any group may be empty.
func someFacts(t *rapid.T, label string, windows bool) hotstick.Facts {
	f := hotstick.Facts{
		Host:     hotstick.HostFacts{Hostname: rapid.SampledFrom([]string{"a", "b"}).Draw(t, label+"name"), BootID: "boot"},
		Kernel:   hotstick.KernelFacts{Tainted: rapid.Uint64Range(0, 2).Draw(t, label+"taint")},
		Security: hotstick.SecurityFacts{Lockdown: rapid.SampledFrom([]string{"", "none"}).Draw(t, label+"lockdown")},
	}
	if rapid.Bool().Draw(t, label+"labels") {
		f.Labels = map[string]string{"rack": rapid.SampledFrom([]string{"r1", "r2"}).Draw(t, label+"rack")}
	}
	if rapid.Bool().Draw(t, label+"masters") {
		f.Masters = []hotstick.Master{{System: "kpatch", Active: rapid.Bool().Draw(t, label+"active")}}
	}
	if rapid.Bool().Draw(t, label+"drivers") {
		f.Drivers = []hotstick.Capabilities{{Driver: "klp", Available: rapid.Bool().Draw(t, label+"available")}}
	}
	if rapid.Bool().Draw(t, label+"tracing") {
		f.Tracing = hotstick.TracingFacts{FunctionsRead: true, MoreFunctions: rapid.IntRange(0, 1).Draw(t, label+"traced")}
	}
	if rapid.Bool().Draw(t, label+"machine") {
		f.Machine.NUMANodes = rapid.IntRange(1, 2).Draw(t, label+"nodes")
	}
	if rapid.Bool().Draw(t, label+"services") {
		f.Services.Running = []string{rapid.SampledFrom([]string{"docker.service", "k3s.service"}).Draw(t, label+"unit")}
	}
	if rapid.Bool().Draw(t, label+"sysctls") {
		f.Sysctls = map[string]string{"kernel.panic": rapid.SampledFrom([]string{"0", "10"}).Draw(t, label+"panic")}
	}
	if rapid.Bool().Draw(t, label+"withheld") {
		f.Withheld = []string{rapid.SampledFrom(hotstick.OptionalGroups()).Draw(t, label+"group")}
	}
	if rapid.Bool().Draw(t, label+"patches") {
		f.Livepatch.Patches = []hotstick.LoadedPatch{{Module: "p", State: hotstick.InEffect}}
	}
	if windows {
		f.Windows = &hotstick.WindowsFacts{Level: rapid.SampledFrom([]string{"26100.1", "26100.2"}).Draw(t, label+"level"), Against: rapid.SliceOfN(rapid.Just("why"), 0, 2).Draw(t, label+"against")}
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		if rapid.Bool().Draw(t, label+name) {
			f.Modules = append(f.Modules, hotstick.ModuleFacts{Name: name, SizeBytes: rapid.Int64Range(1, 2).Draw(t, label+name+"size")})
		}
	}
	return f
}

func TestADeltaHasEveryGroupOfFacts(t *testing.T) {
	all := reflect.TypeFor[hotstick.Facts]()
	for i := range all.NumField() {
		name := all.Field(i).Name
		if _, has := reflect.TypeFor[hotstick.FactsDelta]().FieldByName(name); !has && name != "Modules" {
			t.Errorf("a delta cannot say that %s has changed", name)
		}
	}
}

func TestADeltaMakesTheNewerFactsOfTheOlder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		windows := rapid.Bool().Draw(t, "windows")
		old, newer := someFacts(t, "old ", windows), someFacts(t, "new ", windows)
		kept, err := json.Marshal(old)
		if err != nil {
			t.Fatal(err)
		}
		base, err := old.Digest()
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(old.Delta(newer, base))
		if err != nil {
			t.Fatal(err)
		}
		var sent hotstick.FactsDelta
		if err := json.Unmarshal(data, &sent); err != nil {
			t.Fatal(err)
		}
		var there hotstick.Facts // what a server has read from its store
		if err := json.Unmarshal(kept, &there); err != nil {
			t.Fatal(err)
		}
		got, err := sent.Apply(there).Digest()
		want, err2 := newer.Digest()
		if err != nil || err2 != nil || got != want {
			t.Errorf("%s makes %+v, want %+v", data, sent.Apply(there), newer)
		}
		if again, err := json.Marshal(old); err != nil || string(again) != string(kept) {
			t.Errorf("the older facts became %s", again)
		}
	})
}

func TestADeltaSaysNothingOfWhatIsAsBefore(t *testing.T) {
	f := hotstick.Facts{Host: hotstick.HostFacts{Hostname: "a"}, Modules: []hotstick.ModuleFacts{{Name: "x"}, {Name: "y"}}}
	newer := f
	newer.Modules = []hotstick.ModuleFacts{{Name: "y"}, {Name: "z"}}
	want := &hotstick.FactsDelta{Base: "sha256:1", Gone: []string{"x"}, Come: []hotstick.ModuleFacts{{Name: "z"}}}
	if got := f.Delta(newer, "sha256:1"); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	newer.Modules = []hotstick.ModuleFacts{{Name: "z"}, {Name: "y"}}
	if got := f.Delta(newer, "sha256:1"); got != nil {
		t.Errorf("modules out of order: %+v", got)
	}
	newer = f
	newer.Windows = &hotstick.WindowsFacts{}
	if got := f.Delta(newer, "sha256:1"); got != nil {
		t.Errorf("another system on the machine: %+v", got)
	}
}
