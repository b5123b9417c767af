package kernel

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/hotstick/hotstick"
)

// BootID returns the ID of the running boot.
func BootID(fsys fs.FS) (string, error) {
	id, err := readLine(fsys, "proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	if len(id) != 36 {
		return "", fmt.Errorf("cannot use %q as a boot ID", id)
	}
	return id, nil
}

// Taint returns the kernel's taint mask.
func Taint(fsys fs.FS) (uint64, error) {
	s, err := readLine(fsys, "proc/sys/kernel/tainted")
	if err != nil {
		return 0, err
	}
	mask, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("cannot use %q as a taint mask", s)
	}
	return mask, nil
}

// Build returns the running kernel build. Kernels before 6.1 do not tell their
// architecture in a file; then arch holds (see [Machine]).
func Build(fsys fs.FS, arch string) (hotstick.KernelBuild, error) {
	release, err := readLine(fsys, "proc/sys/kernel/osrelease")
	if err != nil {
		return hotstick.KernelBuild{}, err
	}
	notes, err := readFile(fsys, "sys/kernel/notes", largeFile)
	if err != nil {
		return hotstick.KernelBuild{}, err
	}
	id, err := BuildID(notes)
	if err != nil {
		return hotstick.KernelBuild{}, err
	}
	if said := line(fsys, "proc/sys/kernel/arch"); said != "" {
		arch = said
	}
	build := hotstick.KernelBuild{Release: release, Arch: arch, BuildID: id}
	return build, build.Validate()
}

// noteBuildID is NT_GNU_BUILD_ID.
const noteBuildID = 3

// BuildID returns the GNU build ID among ELF notes, in hexadecimal. Notes are in the machine's own
// byte order; both are tried, because a recorded tree may come from elsewhere.
func BuildID(notes []byte) (string, error) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if id, ok := findBuildID(notes, order); ok {
			return hex.EncodeToString(id), nil
		}
	}
	return "", errors.New("cannot find a build ID among ELF notes")
}

func findBuildID(notes []byte, order binary.ByteOrder) ([]byte, bool) {
	const header = 12
	for len(notes) >= header {
		nameLen, descLen := uint64(order.Uint32(notes)), uint64(order.Uint32(notes[4:]))
		kind := order.Uint32(notes[8:])
		descAt := header + (nameLen+3)&^3
		end := descAt + descLen
		if end > uint64(len(notes)) {
			return nil, false
		}
		name := notes[header : header+nameLen]
		if kind == noteBuildID && bytes.Equal(name, []byte("GNU\x00")) && descLen > 0 {
			return notes[descAt:end], true
		}
		notes = notes[min((end+3)&^3, uint64(len(notes))):]
	}
	return nil, false
}
