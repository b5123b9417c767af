package guest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// moduleFile makes an ELF file with a .modinfo section: all of a module that
// resolving dependencies looks at.
func moduleFile(entries ...string) []byte {
	const headers = 64
	info := strings.Join(entries, "\x00") + "\x00"
	names := "\x00.modinfo\x00.shstrtab\x00"
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	put(elf.Header64{
		Ident:   [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:    uint16(elf.ET_REL),
		Machine: uint16(elf.EM_X86_64),
		Version: uint32(elf.EV_CURRENT),
		Shoff:   headers, Ehsize: headers, Shentsize: 64, Shnum: 3, Shstrndx: 2,
	})
	put(elf.Section64{})
	put(elf.Section64{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: headers + 3*64, Size: uint64(len(info)), Addralign: 1})
	put(elf.Section64{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: headers + 3*64 + uint64(len(info)), Size: uint64(len(names)), Addralign: 1})
	b.WriteString(info + names)
	return b.Bytes()
}

// mustTree writes module files below a directory and opens it.
func mustTree(t *testing.T, builtin string, files map[string][]byte) *moduleTree {
	t.Helper()
	dir := t.TempDir()
	files["modules.builtin"] = []byte(builtin)
	files["kernel/README"] = nil
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	unxz := func(b []byte) ([]byte, error) {
		if rest, ok := bytes.CutPrefix(b, []byte("xz:")); ok {
			return rest, nil
		}
		return nil, errors.New("no xz data")
	}
	tree, err := openModules(dir, unxz)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func xz(b []byte) []byte { return append([]byte("xz:"), b...) }

func names(modules []module) string {
	var out []string
	for _, m := range modules {
		out = append(out, m.Name)
	}
	return strings.Join(out, " ")
}

func TestModulesComeAfterWhatTheyNeed(t *testing.T) {
	tree := mustTree(t, "kernel/fs/ext4/ext4.ko\nkernel/crypto/crc32c-generic.ko\n", map[string][]byte{
		"kernel/net/virtio_net.ko.xz":  xz(moduleFile("license=GPL", "depends=net_failover,virtio-ring,virtio")),
		"kernel/net/net_failover.ko":   moduleFile("depends=failover"),
		"kernel/net/failover.ko":       moduleFile("depends="),
		"kernel/virtio/virtio_ring.ko": moduleFile("depends="),
		"kernel/virtio/virtio.ko":      moduleFile("depends=virtio_ring"),
		"kernel/fs/btrfs.ko":           moduleFile("depends=", "softdep=pre: crc32c not-here virtio post: failover"),
		"kernel/fs/xfs.ko":             moduleFile("depends=", "softdep=pre: crypto-aes"),
		"kernel/crypto/aes_generic.ko": moduleFile("depends="),
		"kernel/a.ko":                  moduleFile("depends=b"),
		"kernel/b.ko":                  moduleFile("depends=a"),
	})
	for _, tt := range []struct{ ask, want string }{
		{"failover", "failover"},
		{"virtio_net", "failover net_failover virtio_ring virtio virtio_net"},
		{"virtio-net virtio_net virtio", "failover net_failover virtio_ring virtio virtio_net"},
		{"ext4", ""},
		{"crc32c_generic", ""},
		{"btrfs", "virtio_ring virtio btrfs"},
		{"xfs", "aes_generic xfs"},
		{"a", "b a"}, // a circle ends
	} {
		got, err := tree.withDependencies(strings.Fields(tt.ask))
		if err != nil || names(got) != tt.want {
			t.Errorf("%s: got %q, %v; want %q", tt.ask, names(got), err, tt.want)
		}
	}
}

func TestACompressedModuleGoesIntoTheGuestUncompressed(t *testing.T) {
	plain := moduleFile("depends=")
	tree := mustTree(t, "", map[string][]byte{"kernel/net/tap.ko.xz": xz(plain)})
	got, err := tree.withDependencies([]string{"tap"})
	if err != nil || len(got) != 1 {
		t.Fatalf("got %v, %v", got, err)
	}
	if got[0].Path != "kernel/net/tap.ko" || !bytes.Equal(got[0].Data, plain) {
		t.Errorf("got %s with %d bytes", got[0].Path, len(got[0].Data))
	}
}

func TestAModuleThatCannotBeHadIsNamed(t *testing.T) {
	tree := mustTree(t, "", map[string][]byte{
		"kernel/needy.ko":   moduleFile("depends=gone"),
		"kernel/noelf.ko":   []byte("not a module"),
		"kernel/noxz.ko.xz": []byte("not compressed"),
	})
	for _, tt := range []struct{ ask, says string }{
		{"nowhere", "cannot find kernel module nowhere in"},
		{"needy", "cannot find kernel module gone (needed by needy)"},
		{"noelf", "cannot read module kernel/noelf.ko"},
		{"noxz", "cannot unpack module kernel/noxz.ko.xz"},
	} {
		if _, err := tree.withDependencies([]string{tt.ask}); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v", tt.ask, err)
		}
	}
}
