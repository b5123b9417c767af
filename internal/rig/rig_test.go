package rig_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/rig"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

func TestEveryFileSaysThatItIsARig(t *testing.T) { rigtest.Labelled(t, rig.Files()) }

func TestModulesAreBuiltUnderTheNamesOfVendors(t *testing.T) {
	if os.Getenv("HOTSTICK_GUESTS") != "1" {
		t.Skip("builds modules for a real kernel and downloads its headers once; set HOTSTICK_GUESTS=1, as `make test` does")
	}
	k, err := kernelpkg.Fetch(t.Context(), "", kernelpkg.Want{Line: "6.1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []rig.Module{
		{Name: "lkp_Ubuntu_6_1_0_121"}, {Name: "kpatch_6_1_0_1_2", Source: "busy-1"}, {Name: "livepatch_CVE_1", Stacks: true},
	} {
		file, err := rig.Build(t.Context(), k, "../../patches", m, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		stat, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		info, err := kmod.Read(f, stat.Size())
		if err != nil || info.Name != m.Name || filepath.Base(file) != m.Name+".ko" || !info.Livepatch {
			t.Errorf("%+v is %+v in %s (%v)", m, info, file, err)
		}
	}
	for _, name := range []string{"", "a-b", "../x", strings.Repeat("a", 56)} {
		if _, err := rig.Build(t.Context(), k, "../../patches", rig.Module{Name: name}, t.TempDir()); err == nil {
			t.Errorf("a module is called %q", name)
		}
	}
}
