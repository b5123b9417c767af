package kmod_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/internal/kernel/kmod"
)

var good = kmod.Info{
	Name: "hotstick_unix_ioctl_1", Vermagic: "6.1.0-47-amd64 SMP preempt mod_unload modversions ",
	Livepatch: true, SrcVersion: "0123456789ABCDEF0123456", License: "GPL", Arch: "x86_64",
}

func read(file []byte) (kmod.Info, error) {
	return kmod.Read(bytes.NewReader(file), int64(len(file)))
}

func TestWhatIsComposedReadsBack(t *testing.T) {
	for name, edit := range map[string]func(*kmod.Info){
		"a live patch":       func(*kmod.Info) {},
		"a plain module":     func(i *kmod.Info) { i.Livepatch = false },
		"a signed module":    func(i *kmod.Info) { i.Signed = true },
		"without srcversion": func(i *kmod.Info) { i.SrcVersion = "" },
		"with a build ID":    func(i *kmod.Info) { i.BuildID = "b68a5127401da28567f63231b6109a776705dc1b" },
		"the longest name":   func(i *kmod.Info) { i.Name = strings.Repeat("x", 55) },
	} {
		want := good
		edit(&want)
		have, err := read(kmod.Compose(want))
		if err != nil || have != want {
			t.Errorf("%s: %v\nhave %+v\nwant %+v", name, err, have, want)
		}
	}
	if r := good.Release(); r != "6.1.0-47-amd64" {
		t.Errorf("the release is %q", r)
	}
}

// header fields of ELF64, for tampering.
const (
	atClass, atOrder, atType, atMachine              = 4, 5, 16, 18
	atTable, atHeaderSize, atEntry, atCount, atNames = 40, 52, 58, 60, 62
)

func TestAHostileFileIsRefused(t *testing.T) {
	le := binary.LittleEndian
	tableOf := func(f []byte) []byte { return f[le.Uint64(f[atTable:]):] }
	section := func(f []byte, i int) []byte { return tableOf(f)[i*64:] }
	put := func(at int, b ...byte) func([]byte) []byte {
		return func(f []byte) []byte { copy(f[at:], b); return f }
	}
	replace := func(old, with string) func([]byte) []byte {
		return func(f []byte) []byte { return bytes.Replace(f, []byte(old), []byte(with), 1) }
	}
	tests := []struct {
		name   string
		tamper func([]byte) []byte
		want   kmod.Problem
	}{
		{"an empty file", func([]byte) []byte { return nil }, kmod.Truncated},
		{"half a header", func(f []byte) []byte { return f[:40] }, kmod.Truncated},
		{"cut in the middle", func(f []byte) []byte { return f[:len(f)-65] }, kmod.Truncated},
		{"text", func([]byte) []byte { return bytes.Repeat([]byte("hello "), 40) }, kmod.NotModule},
		{"a 32-bit file", put(atClass, 1), kmod.NotModule},
		{"an unknown byte order", put(atOrder, 3), kmod.NotModule},
		{"a program", put(atType, 2, 0), kmod.NotModule},
		{"a strange header size", put(atHeaderSize, 65), kmod.Malformed},
		{"strange section headers", put(atEntry, 40), kmod.Malformed},
		{"no sections: the extended count", put(atCount, 0, 0), kmod.NotModule},
		{"too many sections", put(atCount, 0xff, 0xff), kmod.TooLarge},
		{"a table beyond the end", put(atTable, 0, 0, 0, 0, 1), kmod.Truncated},
		{"a table whose end overflows", put(atTable, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), kmod.Truncated},
		{"names in section 0", put(atNames, 0, 0), kmod.Malformed},
		{"names in no section", put(atNames, 9, 0), kmod.Malformed},
		{"names in another kind of section", put(atNames, 1, 0), kmod.Malformed},
		{"a section beyond the end", func(f []byte) []byte { le.PutUint64(section(f, 1)[32:], 1<<40); return f }, kmod.Truncated},
		{"a section whose end overflows", func(f []byte) []byte { le.PutUint64(section(f, 1)[24:], 1<<63); return f }, kmod.Truncated},
		{"a name beyond the names", func(f []byte) []byte { le.PutUint32(section(f, 1), 1<<20); return f }, kmod.Truncated},
		{"names that do not end", func(f []byte) []byte { s := section(f, 3); le.PutUint64(s[32:], le.Uint64(s[32:])-1); return f }, kmod.Malformed},
		{"no .modinfo", replace(".modinfo\x00.gnu", ".modinfx\x00.gnu"), kmod.NotModule},
		{"two .modinfo", func(f []byte) []byte { copy(section(f, 2)[:4], section(f, 1)[:4]); return f }, kmod.Ambiguous},
		{"a .modinfo without bytes", func(f []byte) []byte { le.PutUint32(section(f, 1)[4:], 8); return f }, kmod.NotModule},
		{"a .modinfo that does not end", func(f []byte) []byte { s := section(f, 1); le.PutUint64(s[32:], le.Uint64(s[32:])-1); return f }, kmod.Malformed},
		{"an entry without a value", replace("license=", "licensex"), kmod.Malformed},
		{"vermagic given twice", replace("srcversion="+good.SrcVersion, "vermagic=6.6.6"+strings.Repeat("\x00", 20)), kmod.Ambiguous},
		{"no vermagic", replace("vermagic=", "vermagix="), kmod.NotModule},
		{"another name in .modinfo than in the module", replace("name=hotstick", "name=hotstock"), kmod.Ambiguous},
		{"a module structure that is too short", func(f []byte) []byte { le.PutUint64(section(f, 2)[32:], 40); return f }, kmod.Malformed},
		{"a name that is a path", func(f []byte) []byte { return bytes.ReplaceAll(f, []byte("hotstick_unix"), []byte("../../../unix")) }, kmod.Malformed},
		{"no module structure", replace(".this_module", ".that_module"), kmod.NotModule},
		{"a signature longer than the file", appendSignature(1 << 15), kmod.Truncated},
		{"a huge signature", appendSignature(1 << 31), kmod.TooLarge},
		{"a signature that covers the sections", func(f []byte) []byte { return appendSignature(uint32(len(f) - 100))(f) }, kmod.Truncated},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			info, err := read(test.tamper(kmod.Compose(good)))
			var refusal *kmod.Error
			if !errors.As(err, &refusal) || refusal.Problem != test.want {
				t.Fatalf("want %s, got %+v, %v", test.want, info, err)
			}
			if info != (kmod.Info{}) {
				t.Errorf("a refused file still says %+v", info)
			}
			if !strings.HasPrefix(err.Error(), "cannot read the kernel module: ") {
				t.Errorf("the message is %q", err)
			}
		})
	}
}

func appendSignature(size uint32) func([]byte) []byte {
	return func(f []byte) []byte {
		f = append(f, make([]byte, 8)...)
		f = binary.BigEndian.AppendUint32(f, size)
		return append(f, "~Module signature appended~\n"...)
	}
}

func TestAHugeFileIsRefusedUnread(t *testing.T) {
	_, err := kmod.Read(unreadable{}, kmod.MaxBytes+1)
	var refusal *kmod.Error
	if !errors.As(err, &refusal) || refusal.Problem != kmod.TooLarge {
		t.Errorf("got %v", err)
	}
}

func TestAReadErrorIsNoRefusal(t *testing.T) {
	_, err := kmod.Read(unreadable{}, 4096)
	var refusal *kmod.Error
	if errors.As(err, &refusal) || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

type unreadable struct{}

func (unreadable) ReadAt([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }

func TestOnlyY(t *testing.T) {
	file := bytes.Replace(kmod.Compose(good), []byte("livepatch=Y"), []byte("livepatch=N"), 1)
	if info, err := read(file); err != nil || info.Livepatch {
		t.Errorf("livepatch=N is a live patch: %+v, %v", info, err)
	}
}

func TestABigEndianModuleReads(t *testing.T) {
	file := kmod.Compose(good)
	le, be := binary.LittleEndian, binary.BigEndian
	table := le.Uint64(file[atTable:])
	count := int(le.Uint16(file[atCount:]))
	file[atOrder] = 2
	for _, at := range []int{atType, atMachine, atHeaderSize, atEntry, atCount, atNames} {
		slices.Reverse(file[at : at+2])
	}
	be.PutUint64(file[atTable:], table)
	for i := range count {
		s := file[table+uint64(i)*64:]
		be.PutUint32(s, le.Uint32(s))
		be.PutUint32(s[4:], le.Uint32(s[4:]))
		be.PutUint64(s[24:], le.Uint64(s[24:]))
		be.PutUint64(s[32:], le.Uint64(s[32:]))
	}
	be.PutUint16(file[atMachine:], 22)
	info, err := read(file)
	want := good
	want.Arch = "s390x"
	if err != nil || info != want {
		t.Errorf("%+v, %v", info, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(kmod.Compose(good))
	signed := good
	signed.Signed = true
	f.Add(kmod.Compose(signed))
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, file []byte) {
		info, err := read(file)
		if err != nil {
			var refusal *kmod.Error
			if !errors.As(err, &refusal) {
				t.Fatalf("an untyped error: %v", err)
			}
			return
		}
		if info.Name == "" || info.Vermagic == "" || strings.ContainsAny(info.Name, "/.\x00") {
			t.Fatalf("accepted %+v", info)
		}
	})
}
