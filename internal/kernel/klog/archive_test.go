package klog_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hotstick/hotstick/internal/kernel/klog"
)

func TestTheArchiveOfCrashRecords(t *testing.T) {
	at := func(text string, minute int) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(text), ModTime: time.Date(2026, 11, 21, 9, minute, 0, 0, time.UTC)}
	}
	dumps, err := klog.ReadArchive(fstest.MapFS{
		"var/lib/systemd/pstore/dmesg-ramoops-0":       at("Panic#1 Part1\nfirst", 1),
		"var/lib/systemd/pstore/170/001/dmesg-efi-1":   at("Panic#1 Part1\n end", 2),
		"var/lib/systemd/pstore/170/001/dmesg-efi-2":   at("Panic#1 Part2\nsecond,", 2),
		"var/lib/systemd/pstore/171/001/dmesg-efi-1":   at("Oops#1 Part1\nthird", 3),
		"var/lib/systemd/pstore/171/001/dmesg.txt":     at("what systemd puts together itself", 3),
		"var/lib/systemd/pstore/console-ramoops-0":     at("no crash", 4),
		"var/lib/systemd/pstore/171/dmesg-efi-9.enc.z": at("packed", 4),
		"var/lib/systemd/elsewhere/dmesg-ramoops-0":    at("Panic#1 Part1\nelsewhere", 5),
	})
	var got []string
	for _, d := range dumps {
		got = append(got, d.Reason+" "+d.Text)
	}
	if want := "Panic first|Panic second, end|Oops third"; err != nil || strings.Join(got, "|") != want {
		t.Errorf("read %q, %v; want %q", got, err, want)
	}
	if dumps, err := klog.ReadArchive(fstest.MapFS{}); err != nil || len(dumps) != 0 {
		t.Errorf("without an archive: %v, %v", dumps, err)
	}
}

func TestAnArchiveOfManyYearsIsReadFromItsEnd(t *testing.T) {
	fsys := fstest.MapFS{}
	for i := range 500 {
		fsys[fmt.Sprintf("var/lib/systemd/pstore/%d/dmesg-ramoops-0", i)] = &fstest.MapFile{
			Data: fmt.Appendf(nil, "Panic#1 Part1\n%d", i), ModTime: time.Unix(int64(i), 0)}
	}
	dumps, err := klog.ReadArchive(fsys)
	if err != nil || len(dumps) != 32 || dumps[0].Text != "468" || dumps[31].Text != "499" {
		t.Errorf("read %d dumps, %v", len(dumps), err)
	}
}
