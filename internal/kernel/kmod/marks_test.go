package kmod_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
)

func TestTheWayBackIsReadFromTheSymbols(t *testing.T) {
	for _, c := range []struct {
		marks kmod.Marks
		best  hotstick.Reversibility
		says  string
	}{
		{kmod.Marks{}, hotstick.ReversibleLive, ""},
		{kmod.Marks{Callbacks: true}, hotstick.ReversibleDowngrade, "callbacks"},
		{kmod.Marks{States: true}, hotstick.ReversibleDowngrade, "states"},
		{kmod.Marks{Shadow: true}, hotstick.ReversibleDowngrade, "shadow variables"},
		{kmod.Marks{NoExit: true}, hotstick.ReversibleReboot, "no exit function"},
		{kmod.Marks{Callbacks: true, States: true, Shadow: true, NoExit: true}, hotstick.ReversibleReboot, "callbacks, states, shadow variables, no exit function"},
	} {
		want := good
		want.Marks = c.marks
		have, err := read(kmod.Compose(want))
		if err != nil || have != want || have.Marks.Reversibility() != c.best || have.Marks.String() != c.says {
			t.Errorf("%v\nhave %+v\nwant %+v", err, have, want)
		}
	}
}

func TestAPromiseIsContradictedByAWorseWayBackOnly(t *testing.T) {
	shadow, stuck := kmod.Marks{Shadow: true}, kmod.Marks{NoExit: true}
	for _, c := range []struct {
		marks    kmod.Marks
		promised hotstick.Reversibility
		want     bool
	}{
		{kmod.Marks{}, hotstick.ReversibleLive, false}, {kmod.Marks{}, hotstick.ReversibleReboot, false},
		{shadow, hotstick.ReversibleLive, true}, {shadow, hotstick.ReversibleDowngrade, false}, {shadow, hotstick.ReversibleReboot, false}, {shadow, "", false},
		{stuck, hotstick.ReversibleLive, true}, {stuck, hotstick.ReversibleDowngrade, true}, {stuck, hotstick.ReversibleReboot, false}, {stuck, "", false},
	} {
		if got := c.marks.Contradicts(c.promised); got != c.want {
			t.Errorf("%q against %q: %v", c.marks, c.promised, got)
		}
	}
}

func TestHostileSymbolsAreRefused(t *testing.T) {
	le := binary.LittleEndian
	marked := good
	marked.Marks = kmod.Marks{Shadow: true}
	section := func(f []byte, i int) []byte { return f[le.Uint64(f[atTable:])+uint64(i)*64:] }
	const symtab, strtab = 4, 5
	for _, c := range []struct {
		name   string
		tamper func(f []byte)
		want   kmod.Problem
	}{
		{"names in no section", func(f []byte) { le.PutUint32(section(f, symtab)[40:], 99) }, kmod.Malformed},
		{"names in another kind of section", func(f []byte) { le.PutUint32(section(f, symtab)[40:], 1) }, kmod.Malformed},
		{"a name beyond the names", func(f []byte) { le.PutUint32(f[le.Uint64(section(f, symtab)[24:]):], 1<<20) }, kmod.Truncated},
		{"names that do not end", func(f []byte) { s := section(f, strtab); le.PutUint64(s[32:], le.Uint64(s[32:])-1) }, kmod.Malformed},
		{"two tables of symbols", func(f []byte) { le.PutUint32(section(f, 1)[4:], 2) }, kmod.Ambiguous},
	} {
		file := kmod.Compose(marked)
		c.tamper(file)
		_, err := read(file)
		var refusal *kmod.Error
		if !errors.As(err, &refusal) || refusal.Problem != c.want {
			t.Errorf("%s: want %s, got %v", c.name, c.want, err)
		}
	}
}

// Every patch that kpatch builds has the lists; only the full ones count.
func TestKpatchsEmptyListsOfCallbacksAreNone(t *testing.T) {
	marked := good
	marked.Marks = kmod.Marks{NoExit: true, Callbacks: true}
	file := kmod.Compose(marked)
	file = bytes.ReplaceAll(file, []byte("\x00pre_patch_callback\x00"), []byte("\x00"+strings.Repeat("x", 18)+"\x00"))
	if info, err := read(file); err != nil || info.Marks != (kmod.Marks{NoExit: true}) {
		t.Errorf("%+v, %v", info.Marks, err)
	}
}
