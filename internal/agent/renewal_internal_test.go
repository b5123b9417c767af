package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
)

func TestAFleetThatJoinedInOneMinuteDoesNotRenewInOne(t *testing.T) {
	made := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	end := made.Add(24 * time.Hour)
	const fleet = 20_000
	minutes := map[int]int{}
	for i := range fleet {
		host := hotstick.NewHostID(fmt.Appendf(nil, "host %d", i))
		due := renewDue(host, made, end)
		if due.Before(made.Add(16*time.Hour)) || due.After(made.Add(18*time.Hour)) {
			t.Fatalf("%s renews after %s", host, due.Sub(made))
		}
		if due != renewDue(host, made, end) {
			t.Fatalf("%s renews now then, now then", host)
		}
		minutes[int(due.Sub(made)/time.Minute)]++
	}
	for minute, n := range minutes {
		if n > 2*fleet/120 {
			t.Errorf("%d of %d hosts renew in minute %d", n, fleet, minute)
		}
	}
}

func TestRenewalsThatFailAreSpreadToo(t *testing.T) {
	for _, tt := range []struct {
		failures    int
		useless     bool
		least, most time.Duration
	}{
		{0, false, time.Minute, 90 * time.Second},
		{2, false, 4 * time.Minute, 6 * time.Minute},
		{9, false, 16 * time.Minute, 24 * time.Minute},
		{1000, false, 16 * time.Minute, 24 * time.Minute},
		{1000, true, time.Minute, 90 * time.Second},
	} {
		seen := map[time.Duration]bool{}
		for i := range 1000 {
			pause := renewAgain(hotstick.NewHostID(fmt.Appendf(nil, "host %d", i)), tt.failures, tt.useless)
			if pause < tt.least || pause > tt.most {
				t.Fatalf("after %d failures a host waits %s; want %s to %s", tt.failures, pause, tt.least, tt.most)
			}
			seen[pause/time.Second] = true
		}
		if len(seen) < 25 {
			t.Errorf("after %d failures 1000 hosts come back in %d seconds", tt.failures, len(seen))
		}
	}
}
