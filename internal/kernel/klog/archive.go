package klog

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// systemd-pstore moves crash records here early in each boot, and nobody removes them.
const archiveDir = "var/lib/systemd/pstore"

// Bounds of what is read from the archive: the newest files only, for it grows for ever.
const (
	maxArchiveFiles   = 32
	maxArchiveEntries = 10_000
)

// ReadArchive reads the newest of the crash records that systemd-pstore has moved out of
// /sys/fs/pstore, the older first. A machine without an archive has none.
func ReadArchive(fsys fs.FS) ([]Dump, error) {
	files, err := archived(fsys)
	if err != nil {
		return nil, fmt.Errorf("cannot read the archive of crash records: %w", err)
	}
	var parts []part
	total := 0
	for _, file := range files {
		data, err := readDump(fsys, path.Join(archiveDir, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read the crash record %s: %w", file, err)
		}
		if total += len(data); total > maxDumps {
			break
		}
		p := newPart(path.Base(file), string(data))
		// Parts of one dump were moved into one directory.
		p.file, p.dump = file, path.Dir(file)+" "+p.dump
		parts = append(parts, p)
	}
	return join(parts), nil
}

// archived lists the newest files of the archive below its directory.
func archived(fsys fs.FS) ([]string, error) {
	type found struct {
		name    string
		changed time.Time
	}
	var files []found
	seen := 0
	err := fs.WalkDir(fsys, archiveDir, func(name string, d fs.DirEntry, err error) error {
		if seen++; errors.Is(err, fs.ErrNotExist) {
			return nil // the whole archive, or a file that was removed meanwhile
		}
		if err != nil || seen > maxArchiveEntries {
			return cmp.Or(err, fs.SkipAll)
		}
		if !d.Type().IsRegular() || !strings.HasPrefix(d.Name(), "dmesg-") || strings.HasSuffix(d.Name(), ".enc.z") {
			return nil
		}
		info, err := d.Info()
		if err == nil {
			files = append(files, found{strings.TrimPrefix(name, archiveDir+"/"), info.ModTime()})
		}
		return nil
	})
	slices.SortFunc(files, func(a, b found) int { return cmp.Or(a.changed.Compare(b.changed), cmp.Compare(a.name, b.name)) })
	files = files[max(0, len(files)-maxArchiveFiles):]
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.name
	}
	return names, err
}
