package klog

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Dump is the end of a kernel log that survived its boot.
type Dump struct {
	// Reason is why the kernel wrote it, such as Panic or Oops; empty if the file
	// does not say.
	Reason string
	// Files are the names below /sys/fs/pstore; removing them frees the room.
	Files []string
	// Text is the log, oldest line first.
	Text string
}

// fatalPause is how far apart faults may be that are one end: an oops, and the
// panic that follows from it.
const fatalPause = 2 * time.Second

// Fatal returns the part of the log that tells how the boot ended: the last
// panic, or the last fault if there is none, with the faults right before it.
// What the kernel survived earlier is left out, so that it is not blamed. It is
// empty if the log shows no fault.
func (d Dump) Fatal() string {
	faults := FindFaults(d.Text)
	last := len(faults) - 1
	for i, f := range faults {
		if f.Kind == Panic {
			last = i
		}
	}
	if last < 0 {
		return ""
	}
	text := faults[last].Text
	for i := last; i > 0 && faults[i].Uptime-faults[i-1].Uptime <= fatalPause; i-- {
		text = faults[i-1].Text + text
	}
	return text
}

// Bounds of what is read from pstore.
const (
	pstoreDir    = "sys/fs/pstore"
	maxDumpFiles = 128
	maxDumpFile  = 1 << 20
	maxDumps     = 4 << 20
)

// ReadPstore reads the crash records in /sys/fs/pstore, oldest file name first. A
// machine without pstore has none, which says nothing about how its last boot
// ended. Records that the kernel could not decompress are passed over.
//
// A back end with small records splits one dump into parts and numbers them from
// the end; they are put together again.
func ReadPstore(fsys fs.FS) ([]Dump, error) {
	entries, err := fs.ReadDir(fsys, pstoreDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read crash records: %w", err)
	}
	var parts []part
	total := 0
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, "dmesg-") || strings.HasSuffix(name, ".enc.z") || len(parts) == maxDumpFiles {
			continue
		}
		data, err := readDump(fsys, path.Join(pstoreDir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read the crash record %s: %w", name, err)
		}
		if total += len(data); total > maxDumps {
			break
		}
		parts = append(parts, newPart(name, string(data)))
	}
	return join(parts), nil
}

func readDump(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxDumpFile))
}

// part is one file of pstore.
type part struct {
	file   string
	dump   string // what the parts of one dump have in common
	reason string
	number int
	text   string
}

// heading is the first line of a record: why, the how-manieth dump of that boot,
// and which part of it.
var heading = regexp.MustCompile(`^([A-Za-z]+)#(\d{1,9}) Part(\d{1,9})\n`)

func newPart(file, text string) part {
	p := part{file: file, dump: file, text: text}
	m := heading.FindStringSubmatch(text)
	if m == nil {
		return p
	}
	p.reason, p.text = m[1], text[len(m[0]):]
	p.number, _ = strconv.Atoi(m[3])
	// Only parts from one back end can belong together.
	p.dump = backend(file) + " " + m[1] + "#" + m[2]
	return p
}

// backend is the middle of dmesg-BACKEND-NUMBER.
func backend(file string) string {
	name, _ := strings.CutPrefix(file, "dmesg-")
	if i := strings.LastIndexByte(name, '-'); i >= 0 {
		name = name[:i]
	}
	return name
}

// join puts the parts of each dump together, the highest number first because it
// is the oldest. A number that comes again begins another dump: two boots count
// alike.
func join(parts []part) []Dump {
	var groups [][]part
	index := map[string]int{}
	for _, p := range parts {
		i, known := index[p.dump]
		if known && !slices.ContainsFunc(groups[i], func(q part) bool { return q.number == p.number }) {
			groups[i] = append(groups[i], p)
			continue
		}
		index[p.dump] = len(groups)
		groups = append(groups, []part{p})
	}
	var dumps []Dump
	for _, g := range groups {
		slices.SortStableFunc(g, func(a, b part) int { return cmp.Compare(b.number, a.number) })
		d := Dump{Reason: g[0].reason}
		for _, p := range g {
			d.Files = append(d.Files, p.file)
			d.Text += p.text
		}
		dumps = append(dumps, d)
	}
	return dumps
}
