package cover_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/cover"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestTheCalendarOfReboots(t *testing.T) {
	rules, err := cover.Default()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	due := func(kern string, hosts ...string) cover.Due {
		k := kernel(t, kern)
		return cover.Due{Build: hotstick.KernelBuild{Release: k.Release, Arch: "x86_64"}, Cover: rules.Judge(k, now), Hosts: hosts}
	}
	many := make([]string, 102)
	for i := range many {
		many[i] = fmt.Sprintf("n%03d", i)
	}
	c := cover.Calendar("Reboots", now, []cover.Due{
		due("suse sles:15.6 kernel-default 6.4.0-150600.23.7-default 2026-02-28", many...),
		due("canonical ubuntu:22.04 linux 5.15.0-107-generic 2025-11-30", "web-2", "web-1\r\nATTACH:http://x"),
		due("windows windows:2025 windows 26100.3788 -", "nt-1"),
		due("kernelcare debian:12 linux 6.1.0-47-amd64 -", "db-1"),
		due("amazon amzn:2023 kernel 6.1.134-150.224.amzn2023 2026-10-01"),
	})
	raw := c.Bytes()
	if *update {
		if err := os.WriteFile("testdata/reboots.ics", raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/reboots.ics")
	if err != nil {
		t.Fatal(err)
	}
	if string(raw) != string(want) {
		t.Errorf("wrote\n%s", raw)
	}
	if n := strings.Count(string(raw), "\r\nBEGIN:VEVENT\r\n"); n != 3 || strings.Contains(string(raw), "\r\nATTACH") {
		t.Errorf("there are %d events", n)
	}
}
