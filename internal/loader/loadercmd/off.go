package loadercmd

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/loader"
)

// offWord on the kernel's command line switches Hotstick off for that boot.
const offWord = "hotstick=off"

// offSwitch are the two ways in which a person switches Hotstick off on this host.
type offSwitch struct {
	// file is there, whatever is in it.
	file string
	// boot: the kernel was booted with offWord.
	boot bool
}

func newOffSwitch(file string, fsys fs.FS) offSwitch {
	line, _ := fs.ReadFile(fsys, "proc/cmdline") // a kernel without one was told nothing
	return offSwitch{file: file, boot: slices.Contains(strings.Fields(string(line)), offWord)}
}

// maxOff bounds what is read of the file, in bytes.
const maxOff = 4 << 10

// state costs one call of the kernel as long as there is no file. A file that cannot be
// looked for counts as one that is there.
func (o offSwitch) state() loader.Off {
	if o.boot {
		return loader.Off{By: hotstick.OffByCommandLine}
	}
	if _, err := os.Lstat(o.file); errors.Is(err, fs.ErrNotExist) {
		return loader.Off{}
	}
	text, _ := durable.ReadUntrusted(o.file, maxOff) // what it says is for people only
	why, _, _ := strings.Cut(string(text), "\n")
	return loader.Off{By: hotstick.OffByFile, Why: strings.TrimSpace(why)}
}
