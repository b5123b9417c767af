package inventory

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// spoken is one check-in of a story: "boot[/key[/hardware]] seq@second".
func spoken(t *testing.T, text string) store.Life {
	t.Helper()
	var who string
	var seq, second int
	if _, err := fmt.Sscanf(text, "%s %d@%d", &who, &seq, &second); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	parts := append(strings.Split(who, "/"), "", "")
	return store.Life{Boot: parts[0], Key: hotstick.Digest(parts[1]), Hardware: strings.ReplaceAll(parts[2], "+", " "), Machine: "m",
		Seq: uint64(seq), Seen: time.Unix(int64(second), 0).UTC()}
}

// short names of verdicts in the stories below.
var short = map[Verdict]string{VerdictFresh: ".", VerdictStale: "-", VerdictRebooted: "boot", VerdictChanged: "changed", VerdictReturned: "back", VerdictRestored: "restored", VerdictCloned: "CLONED"}

func TestWhoIsACloneAndWhoIsNot(t *testing.T) {
	for _, tt := range []struct {
		name, story, want, evidence string
	}{
		{"a host that checks in", "a 10@0 | a 20@1 | a 30@2", "boot . .", ""},
		{"a repeated check-in", "a 10@0 | a 20@1 | a 20@1 | a 10@2 | a 30@3", "boot . - - .", ""},
		{"a host that reboots, and reboots", "a 10@0 | a 20@1 | b 5@60 | b 9@61 | c 5@120 | c 6@130", "boot . boot . boot .", ""},
		{"a check-in of the old boot that was long on its way", "a 10@0 | b 5@60 | a 11@61 | b 6@62 | b 7@63", "boot boot back . .", ""},
		{"an old check-in repeated after a reboot", "a 10@0 | b 5@60 | a 10@61 | b 6@62 | a 10@63 | b 7@64 | a 10@65", "boot boot - . - . -", ""},
		{"two disks of one image", "a 10@0 | b 5@1 | a 20@15 | b 9@16 | a 30@17", "boot boot back . CLONED", "boot: b and a"},
		{"and what comes after", "a 10@0 | b 5@1 | a 20@15 | b 9@16 | a 30@17 | b 10@18 | a 40@19 | b 11@20 | c 1@21", "boot boot back . CLONED . - . boot", "boot: b and a"},
		{"three disks of one image", "a 10@0 | b 5@1 | c 5@2 | a 20@15 | b 9@16 | c 9@17", "boot boot boot back back CLONED", "boot: b and c"},
		{"a clone that says two things before the other says one", "a 10@0 | b 5@1 | a 20@15 | a 21@16 | b 9@17 | b 10@18 | a 30@19", "boot boot back back . . CLONED", "boot: b and a"},
		{"two that speak in turns, but over hours", "a 10@0 | b 5@1 | a 20@15 | b 9@3600 | b 10@7200", "boot boot back . .", ""},
		{"a renewed certificate", "a/k1 10@0 | a/k1 20@1 | a/k2 30@2 | a/k2 40@3", "boot . changed .", ""},
		{"a running machine copied, one of which renews", "a/k1 10@0 | a/k2 20@1 | a/k1 30@2 | a/k2 40@3 | a/k1 50@4", "boot changed back . CLONED", "tls_key: k2 and k1"},
		{"a running machine resumed on two hosts, with other network cards", "a/k/x 10@0 | a/k/y 20@1 | a/k/x 30@2 | a/k/y 40@3 | a/k/x 50@4", "boot changed back . CLONED", "hardware: y and x"},
		{"a network card that comes and goes", "a/k/x+usb 10@0 | a/k/x 20@1 | a/k/x+usb 30@2 | a/k/x 40@3 | a/k/x+usb 50@4", "boot . . . .", ""},
		{"a network card that is replaced", "a/k/x 10@0 | a/k/y 20@1 | a/k/y 30@2", "boot changed .", ""},
		{"one snapshot resumed twice, an hour apart", "a 3600000@0 | a 7200000@3600 | a 3601000@3601 | a 7201000@3602 | a 3602000@3603", "boot . back . CLONED", "sequence: 7201000 and 3602000"},
		{"a machine put back to a snapshot of this boot", "a 3600000@0 | a 7200000@3600 | a 3601000@3601 | a 3661000@3661 | a 3721000@3721 | a 3722000@3722", "boot . back back restored .", ""},
		{"a machine put back to a snapshot of the boot before", "a 10@0 | b 5@60 | a 11@100 | a 12@160 | a 13@221 | a 14@230 | c 1@300", "boot boot back back restored . boot", ""},
		{"a machine put back to a snapshot of the boot before, far back", "a 3600000@0 | b 5@60 | a 1000@100 | a 61000@160 | a 122000@221 | a 123000@222", "boot boot back back restored .", ""},
		{"and its clone, which runs on", "a 3600000@0 | b 5@60 | a 1000@100 | b 6@101 | a 2000@102", "boot boot back . CLONED", "boot: b and a"},
		{"a disk from before the newest certificate", "a/k1 10@0 | a/k2 20@1 | b/k1 5@60 | b/k1 6@61", "boot changed restored .", ""},
	} {
		var l store.Lineage
		var got []string
		var evidence []string
		for _, text := range strings.Split(tt.story, " | ") {
			var v Verdict
			l, v = Recognise(l, spoken(t, text))
			got = append(got, short[v])
		}
		if l.Cloned != nil {
			for _, e := range l.Cloned.Evidence {
				evidence = append(evidence, e.Kind+": "+e.Text)
			}
		}
		if strings.Join(got, " ") != tt.want || strings.Join(evidence, "; ") != tt.evidence {
			t.Errorf("%s:\n got %s %v\nwant %s [%s]", tt.name, strings.Join(got, " "), evidence, tt.want, tt.evidence)
		}
	}
}

// TestOneMachineIsNeverAClone plays one machine that reboots, renews and repeats
// itself, with a network that delays one message of a boot beyond its end.
func TestOneMachineIsNeverAClone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l store.Lineage
		boot, key, seq, second := 0, 0, uint64(1), 0
		var held *store.Life
		delayed := false
		for range rapid.IntRange(1, 60).Draw(t, "check-ins") {
			second += rapid.IntRange(0, 400).Draw(t, "pause")
			seq += uint64(rapid.IntRange(1, 100_000).Draw(t, "uptime"))
			s := store.Life{Boot: fmt.Sprint("boot", boot), Key: hotstick.Digest(fmt.Sprint("key", key)), Seq: seq, Seen: time.Unix(int64(second), 0)}
			switch rapid.SampledFrom([]string{"speak", "speak", "repeat", "delay", "arrive", "reboot", "renew"}).Draw(t, "what") {
			case "repeat":
				l, _ = Recognise(l, s)
			case "delay":
				if !delayed { // two within minutes look like a second machine, and no client waits so long
					held, delayed = &s, true
				}
				continue
			case "arrive":
				if held != nil {
					held.Seen = s.Seen
					l, _ = Recognise(l, *held)
					held = nil
				}
			case "reboot":
				boot, seq = boot+1, 1
				continue
			case "renew":
				key++
				continue
			}
			l, _ = Recognise(l, s)
			if l.Cloned != nil {
				t.Fatalf("one machine is a clone: %+v", l.Cloned)
			}
			if len(l.Past) > maxPast {
				t.Fatalf("%d are remembered", len(l.Past))
			}
		}
	})
}

// TestTwoMachinesAreFoundOut plays two that differ in their boot, and speak one
// after the other, each now and then twice.
func TestTwoMachinesAreFoundOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l store.Lineage
		second, changes, last := 0, 0, -1
		var seq [2]uint64
		for changes < 5 {
			who := rapid.IntRange(0, 1).Draw(t, "who")
			if who != last {
				changes, last = changes+1, who
			}
			second += rapid.IntRange(0, 15).Draw(t, "pause")
			seq[who] += uint64(rapid.IntRange(1, 15_000).Draw(t, "uptime"))
			l, _ = Recognise(l, store.Life{Boot: fmt.Sprint("boot", who), Key: "k", Seq: seq[who], Seen: time.Unix(int64(second), 0)})
			if second > 500 {
				t.Skip("they speak too seldom")
			}
		}
		if l.Cloned == nil {
			t.Fatalf("two machines are not found out: %+v", l)
		}
	})
}
