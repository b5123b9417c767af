package kernelpkg

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/pierrec/lz4/v4"
)

const someID = "4f61d8f6405b1c6eed15a7a3e2e27067394202d3"

func note(name string, kind uint32, desc []byte) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, []uint32{uint32(len(name) + 1), uint32(len(desc)), kind})
	b.WriteString(name)
	b.Write(make([]byte, align4(uint32(len(name)+1))-uint64(len(name))))
	b.Write(desc)
	b.Write(make([]byte, align4(uint32(len(desc)))-uint64(len(desc))))
	return b.Bytes()
}

var idBytes = []byte{0x4f, 0x61, 0xd8, 0xf6, 0x40, 0x5b, 0x1c, 0x6e, 0xed, 0x15, 0xa7, 0xa3, 0xe2, 0xe2, 0x70, 0x67, 0x39, 0x42, 0x02, 0xd3}

// kernelNotes looks like /sys/kernel/notes: foreign notes around the one wanted.
func kernelNotes() []byte {
	return bytes.Join([][]byte{note("Xen", 6, []byte("linux\x00")), note("GNU", 3, idBytes), note("Linux", 0, []byte{6})}, nil)
}

func vmlinux(notes []byte) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, elf.Header64{
		Ident:   [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:    uint16(elf.ET_EXEC),
		Machine: uint16(elf.EM_X86_64),
		Version: uint32(elf.EV_CURRENT),
		Phoff:   64, Ehsize: 64, Phentsize: 56, Phnum: 1, Shentsize: 64,
	})
	_ = binary.Write(&b, binary.LittleEndian, elf.Prog64{Type: uint32(elf.PT_NOTE), Off: 120, Filesz: uint64(len(notes))})
	b.Write(notes)
	return b.Bytes()
}

func bzImage(payload []byte, size int) []byte {
	const setup = 4
	b := make([]byte, (setup+1)*512)
	b[setupSectorsOffset] = setup
	copy(b[headerMagicOffset:], "HdrS")
	binary.LittleEndian.PutUint32(b[payloadLengthOffset:], uint32(len(payload)+4))
	b = append(b, payload...)
	return binary.LittleEndian.AppendUint32(b, uint32(size))
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

func lz4Legacy(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := lz4.NewWriter(&b)
	if err := w.Apply(lz4.LegacyOption(true)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBuildIDIsFoundWhateverTheCompression(t *testing.T) {
	kernel := vmlinux(kernelNotes())
	for name, payload := range map[string][]byte{
		"gzip": gzipped(kernel), "lz4": lz4Legacy(t, kernel),
		"zstd": {0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0}, "xz": {0xfd, '7', 'z', 'X', 'Z', 0, 0, 0},
	} {
		unpacked := func(program string, _ []byte) ([]byte, error) {
			if program != name {
				t.Errorf("%s is unpacked with %s", name, program)
			}
			return kernel, nil
		}
		if id, err := imageBuildID(bzImage(payload, len(kernel)), unpacked); err != nil || id != someID {
			t.Errorf("%s: got %q, %v", name, id, err)
		}
	}
}

func TestADamagedImageIsRefused(t *testing.T) {
	kernel := vmlinux(kernelNotes())
	good := bzImage(gzipped(kernel), len(kernel))
	cut := func(n int) []byte { return good[:n] }
	changed := func(at int, v byte) []byte {
		b := bytes.Clone(good)
		b[at] = v
		return b
	}
	noProgram := func(string, []byte) ([]byte, error) { return nil, errors.New("no such program here") }
	for name, image := range map[string][]byte{
		"empty":                  nil,
		"cut inside the header":  cut(600),
		"cut inside the payload": cut(len(good) - 10),
		"no boot header":         changed(headerMagicOffset, 'X'),
		"payload outside":        changed(payloadOffsetOffset+3, 0x7f),
		"unknown compression":    changed(5*512, 0),
		"wrong size":             bzImage(gzipped(kernel), len(kernel)+1),
		"no build ID":            bzImage(gzipped(vmlinux(note("Xen", 6, nil))), len(vmlinux(note("Xen", 6, nil)))),
		"zstd cannot be read":    bzImage([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0}, 8),
	} {
		if id, err := imageBuildID(image, noProgram); err == nil {
			t.Errorf("%s: got build ID %q", name, id)
		}
	}
}

func TestNotesThatLieAboutTheirSizeAreRefused(t *testing.T) {
	good := kernelNotes()
	if id, ok := NoteBuildID(good); !ok || id != someID {
		t.Fatalf("got %q, %v", id, ok)
	}
	for cut := range note("GNU", 3, idBytes) {
		if id, ok := NoteBuildID(note("GNU", 3, idBytes)[:cut]); ok {
			t.Errorf("cut to %d bytes: got %q", cut, id)
		}
	}
	huge := bytes.Clone(good)
	binary.LittleEndian.PutUint32(huge[4:], 0xffffffff)
	if id, ok := NoteBuildID(huge); ok {
		t.Errorf("a note of 4 GB was read: %q", id)
	}
}
