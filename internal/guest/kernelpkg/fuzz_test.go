package kernelpkg

import (
	"encoding/hex"
	"errors"
	"testing"
)

// A damaged kernel image, or one made to hurt, gives a build ID or an error.
func FuzzImageBuildID(f *testing.F) {
	inner := vmlinux(kernelNotes())
	f.Add(bzImage(gzipped(inner), len(inner)))
	f.Add([]byte("HdrS"))
	refuse := func(string, []byte) ([]byte, error) { return nil, errors.New("no program here") }
	f.Fuzz(func(t *testing.T, image []byte) {
		id, err := imageBuildID(image, refuse)
		if err != nil {
			return
		}
		if raw, err := hex.DecodeString(id); err != nil || len(raw) == 0 {
			t.Errorf("%q is no build ID", id)
		}
	})
}

// Notes come from the kernel, but also from files; their sizes may lie.
func FuzzNoteBuildID(f *testing.F) {
	f.Add(kernelNotes())
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\x03\x00\x00\x00GNU\x00"))
	f.Fuzz(func(t *testing.T, notes []byte) {
		if id, ok := NoteBuildID(notes); ok && (id == "" || len(id) > 2*len(notes)) {
			t.Errorf("%d bytes gave the ID %q", len(notes), id)
		}
	})
}
