package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/store"
)

// childFile names the database that a child process is to write to until it is
// killed.
const childFile = "HOTSTICK_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		writeUntilKilled(path, os.Args[len(os.Args)-1])
	}
	os.Exit(m.Run())
}

// writers is how many updates a child has in flight at most.
const writers = 6

// writeUntilKilled puts hosts, each with one event, one slot, one exclusion and one
// late line of a plan in the same update, and prints a host's ID once its update was
// acknowledged.
func writeUntilKilled(path, round string) {
	s, err := Open(context.Background(), path, time.Now)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_ = s.Update(context.Background(), func(tx store.Tx) error {
		return tx.Plans().Create(store.Plan{ID: crashPlan, Status: hotstick.Running}, nil)
	}) // the first of the children creates it
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := hotstick.HostID(fmt.Sprintf("h-%s-%d-%d", round, w, i))
				if err := s.Update(context.Background(), func(tx store.Tx) error { return putFive(tx, id) }); err != nil {
					fmt.Println(err)
					os.Exit(1)
				}
				fmt.Println(id) // one write, so that no line is torn by another's
			}
		})
	}
	wg.Wait()
}

// crashPlan is the plan that every host joins.
const crashPlan hotstick.PlanID = "p"

func putFive(tx store.Tx, id hotstick.HostID) error {
	if err := tx.Hosts().Put(store.Host{ID: id, Name: string(id)}); err != nil {
		return err
	}
	if _, err := tx.Events().Append(store.Event{Host: id}); err != nil {
		return err
	}
	if err := tx.Hosts().Exclude(store.Exclusion{Host: id, Until: tx.Now(), At: tx.Now()}); err != nil {
		return err
	}
	line := store.PlanHost{Plan: crashPlan, Listed: hotstick.PlanHost{Host: id}, State: hotstick.Waiting, Updated: tx.Now()}
	if _, err := tx.Plans().AddLate(line); err != nil {
		return err
	}
	return tx.Slots().Take(store.Slot{Domain: "host", Value: string(id), Host: id})
}

// TestKillNineLosesNothingAcknowledged kills a writing process again and again,
// and looks at what it left.
func TestKillNineLosesNothingAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hotstick.db")
	acknowledged := map[hotstick.HostID]bool{}
	for round, lines := range []int{1, 40, 7, 300, 90} {
		runAndKill(t, path, fmt.Sprint(round), lines, acknowledged)
		s := mustOpen(t, path)
		if err := s.View(t.Context(), func(tx store.Tx) error {
			return checkFives(t, tx, acknowledged, (round+1)*writers)
		}); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		s.Close()
	}
}

// runAndKill lets a child acknowledge that many updates, kills it, and takes down
// everything that it acknowledged until then.
func runAndKill(t *testing.T, path, round string, lines int, acknowledged map[hotstick.HostID]bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^$", round)
	child.Env = append(os.Environ(), childFile+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	got := 0
	for in := bufio.NewScanner(out); in.Scan(); {
		acknowledged[hotstick.HostID(in.Text())] = true
		if got++; got == lines {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait() // says that it was killed
	if got < lines {
		t.Fatalf("the child ended after %d of %d lines", got, lines)
	}
}

// checkFives wants every acknowledged host, each whole, no half ones, and at most
// so many that were committed but not yet acknowledged.
func checkFives(t *testing.T, tx store.Tx, acknowledged map[hotstick.HostID]bool, inFlight int) error {
	hosts, n, err := tx.Hosts().List(store.HostFilter{})
	if err != nil {
		return err
	}
	slots, err := tx.Slots().List()
	if err != nil {
		return err
	}
	size, root, err := tx.Events().Head()
	if err != nil {
		return err
	}
	exclusions, err := tx.Hosts().Exclusions()
	if err != nil {
		return err
	}
	lines, err := tx.Plans().Hosts(crashPlan)
	if err != nil {
		return err
	}
	if len(slots) != n || size != int64(n) || len(exclusions) != n || len(lines) != n {
		t.Errorf("%d hosts, %d slots, %d events, %d exclusions, %d lines", n, len(slots), size, len(exclusions), len(lines))
	}
	for i, line := range lines {
		if line.Index != i {
			t.Errorf("line %d has the place %d", i, line.Index)
		}
	}
	found := 0
	for _, h := range hosts {
		if acknowledged[h.ID] {
			found++
		}
		if events, err := tx.Events().List(store.EventFilter{Host: h.ID}); err != nil || len(events) != 1 {
			t.Errorf("%s has %d events, %v", h.ID, len(events), err)
		}
	}
	if found != len(acknowledged) {
		t.Errorf("%d of %d acknowledged hosts are there", found, len(acknowledged))
	}
	if extra := n - found; extra > inFlight {
		t.Errorf("%d hosts were never acknowledged, but only %d updates were in flight", extra, inFlight)
	}
	return audit.VerifyLog(tx.Events(), audit.Head{Size: size, Root: root})
}
