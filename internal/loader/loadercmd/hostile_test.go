package loadercmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/loader/inbox"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/statement"
)

// sparse makes a file that says it is 100 GB long.
func sparse(path string) error {
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return err
	}
	return os.Truncate(path, 100<<30)
}

// restless swaps what stands at the path, between the good bytes and something else,
// until the test ends.
func restless(t *testing.T, path string, good, evil []byte) {
	done := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			data := good
			if i%2 == 1 {
				data = evil
			}
			if i%3 == 0 { // in place, so that a reader sees both in one file
				if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
					_, _ = f.WriteAt(data, 0)
					f.Close()
				}
				continue
			}
			if os.WriteFile(path+".new", data, 0o644) == nil {
				_ = os.Rename(path+".new", path)
			}
		}
	})
	t.Cleanup(func() {
		close(done)
		swapping.Wait()
	})
}

// growing appends to a file until the test ends.
func growing(t *testing.T, path string) {
	done := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return
			}
			_, _ = f.Write(make([]byte, 4096))
			info, err := f.Stat()
			f.Close()
			select {
			case <-done:
				return
			default:
			}
			if err != nil || info.Size() > 64<<20 {
				return
			}
		}
	})
	t.Cleanup(func() {
		close(done)
		writing.Wait()
	})
}

func TestAnArtifactIsSwappedBeforeItIsTaken(t *testing.T) {
	for _, c := range []struct {
		what string
		swap func(t *testing.T, path string, good, evil []byte) error
		// may: the level may be loaded, with the catalog's bytes.
		may bool
	}{
		{what: "other bytes of the same length", swap: func(_ *testing.T, p string, _, evil []byte) error { return os.WriteFile(p, evil, 0o644) }},
		{what: "one byte more", swap: func(_ *testing.T, p string, good, _ []byte) error { return os.WriteFile(p, append(good, 0), 0o644) }},
		{what: "nothing", swap: func(_ *testing.T, p string, _, _ []byte) error { return os.WriteFile(p, nil, 0o644) }},
		{what: "a file of 100 GB", swap: func(_ *testing.T, p string, _, _ []byte) error { return errors.Join(os.Remove(p), sparse(p)) }},
		{what: "a pipe", swap: func(_ *testing.T, p string, _, _ []byte) error {
			return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o644))
		}},
		{what: "a directory", swap: func(_ *testing.T, p string, _, _ []byte) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) }},
		{what: "a link to a file elsewhere", swap: func(t *testing.T, p string, good, _ []byte) error {
			elsewhere := filepath.Join(t.TempDir(), "good")
			return errors.Join(os.WriteFile(elsewhere, good, 0o644), os.Remove(p), os.Symlink(elsewhere, p))
		}},
		{what: "a link to itself", swap: func(_ *testing.T, p string, _, _ []byte) error { return errors.Join(os.Remove(p), os.Symlink(p, p)) }},
		{what: "a link to /dev/zero", swap: func(_ *testing.T, p string, _, _ []byte) error {
			return errors.Join(os.Remove(p), os.Symlink("/dev/zero", p))
		}},
		{what: "a hard link whose other name is written to", may: true, swap: func(t *testing.T, p string, good, evil []byte) error {
			restless(t, p+".other", good, evil)
			return os.Link(p, p+".other")
		}},
		{what: "a file that changes all the time", may: true, swap: func(t *testing.T, p string, good, evil []byte) error {
			restless(t, p, good, evil)
			return nil
		}},
		{what: "a file that grows while it is read", swap: func(t *testing.T, p string, good, _ []byte) error {
			err := os.WriteFile(p, append(good, 0), 0o644)
			growing(t, p)
			return err
		}},
		{what: "a directory of links in the place of the directory", swap: func(t *testing.T, p string, _, evil []byte) error {
			farm := t.TempDir()
			dir := filepath.Dir(p)
			return errors.Join(os.WriteFile(filepath.Join(farm, filepath.Base(p)), evil, 0o644), os.RemoveAll(dir), os.Symlink(farm, dir))
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			w := newHostile(t)
			p := w.publish(1, fake.Behaviour{})
			good, err := os.ReadFile(w.file(p))
			w.must(err)
			w.must(c.swap(t, w.file(p), slices.Clone(good), bytes.Repeat([]byte{'x'}, len(good))))
			w.start()
			raw, id := w.plan(p, "swapped")
			for range 20 { // the more often it asks, the likelier it meets the moment
				w.call(raw, w.grant(id, w.call(raw).Nonce))
			}
			for _, digest := range w.loads() {
				if digest != p.Artifacts[0].Digest {
					t.Errorf("the kernel was handed %s", digest)
				}
			}
			if n := len(w.loads()); n > 0 && !c.may || n > 1 {
				t.Errorf("the kernel was handed bytes %d times", n)
			}
		})
	}
}

func TestAnArtifactSwappedAfterItWasTakenChangesNothing(t *testing.T) {
	t.Parallel()
	w := newHostile(t)
	p := w.publish(1, fake.Behaviour{})
	w.start()
	raw, id := w.plan(p, "taken")
	w.call(raw)
	resp := w.call() // the loader takes what the plan needs
	if len(resp.WantArtifacts) != 0 {
		t.Fatalf("the loader still wants %v", resp.WantArtifacts)
	}
	w.must(os.WriteFile(w.file(p), []byte("evil"), 0o644))
	w.call(w.grant(id, resp.Nonce))
	if r := w.end(); r.State != hotstick.Confirmed {
		t.Errorf("the attempt ended %s %+v", r.State, r.Reason)
	}
	if loads := w.loads(); len(loads) != 1 || loads[0] != p.Artifacts[0].Digest {
		t.Errorf("the kernel was handed %v", loads)
	}
}

// trapped files are those of its own directory that a loader reads by name.
func TestTrapsInTheAgentsDirectoryDoNotHoldTheLoaderUp(t *testing.T) {
	for _, name := range []string{"identity.pub", "root.json", "catalog/timestamp.json"} {
		for what, trap := range map[string]func(path string) error{
			"a pipe":              func(p string) error { return syscall.Mkfifo(p, 0o644) },
			"a file of 100 GB":    sparse,
			"a directory":         func(p string) error { return os.Mkdir(p, 0o755) },
			"a link to /dev/zero": func(p string) error { return os.Symlink("/dev/zero", p) },
			"a link to a pipe": func(p string) error {
				return errors.Join(syscall.Mkfifo(p+".pipe", 0o644), os.Symlink(p+".pipe", p))
			},
			"a link to a secret": func(p string) error { return os.Symlink("/etc/shadow", p) },
		} {
			t.Run(what+" as "+name, func(t *testing.T) {
				t.Parallel()
				w := newHostile(t)
				p := w.publish(1, fake.Behaviour{})
				path := filepath.Join(w.agent, name)
				good, err := os.ReadFile(path)
				w.must(err)
				w.must(os.Remove(path))
				w.must(trap(path))
				w.start()
				w.offer(p)
				if n := len(w.loads()); n != 0 {
					t.Errorf("something was loaded %d times", n)
				}
				// Without the trap the loader goes on as if nothing had been.
				w.must(os.RemoveAll(path))
				w.must(os.WriteFile(path, good, 0o644))
				w.offer(p)
				if r := w.end(); r.State != hotstick.Confirmed {
					t.Errorf("the attempt ended %s %+v", r.State, r.Reason)
				}
			})
		}
	}
}

func TestALeaseOnAFileDoesNotHoldTheLoaderUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity.pub")
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Skipf("this file system has no leases: %v", err)
	}
	began := time.Now()
	if data, err := durable.ReadUntrusted(path, 100); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("read %q, %v", data, err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestAnAgentCannotTakeTheRootAway(t *testing.T) {
	t.Parallel()
	w := newHostile(t)
	p := w.publish(1, fake.Behaviour{})
	w.start()
	w.offer(p)
	if r := w.end(); r.State != hotstick.Confirmed {
		t.Fatalf("the attempt ended %s %+v", r.State, r.Reason)
	}
	w.stop()
	for _, trap := range []func(string) error{os.Remove, func(p string) error { return os.WriteFile(p, []byte("{}"), 0o644) },
		func(p string) error { return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o644)) }} {
		w.must(trap(filepath.Join(w.agent, "root.json")))
		own := &inbox.Catalog{Dir: filepath.Join(w.state, "catalog"), Agent: w.agent, Root: w.root}
		if view, err := own.Load(); err != nil || len(view.Patches) != 1 {
			t.Errorf("the loader's own catalog: %d patches, %v", len(view.Patches), err)
		}
	}
	// After a reboot the confirmed level comes back although the agent has nothing.
	w.must(os.RemoveAll(w.staged()))
	w.machine.Boot()
	w.start()
	w.eventually("the level to come back", func() bool { return slices.Contains(w.running(), p.Artifacts[0].Module) })
}

func TestAnOlderCopyOfTheCatalogBringsNothingBack(t *testing.T) {
	for what, replace := range map[string]func(w *hostile, old string) error{
		"as files": func(w *hostile, old string) error {
			return errors.Join(os.RemoveAll(w.staged()), os.CopyFS(w.staged(), os.DirFS(old)))
		},
		"behind a link": func(w *hostile, old string) error {
			return errors.Join(os.RemoveAll(w.staged()), os.Symlink(old, w.staged()))
		},
		"as a farm of links": func(w *hostile, old string) error {
			err := errors.Join(os.RemoveAll(w.staged()), os.Mkdir(w.staged(), 0o755))
			return errors.Join(err, filepath.WalkDir(old, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() || strings.Contains(path, "/targets/") {
					return err
				}
				return os.Symlink(path, filepath.Join(w.staged(), filepath.Base(path)))
			}))
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newHostile(t)
			p := w.publish(1, fake.Behaviour{})
			old := filepath.Join(t.TempDir(), "old")
			w.must(os.CopyFS(old, os.DirFS(w.staged())))
			w.recall(p)
			w.start()
			seen := w.call().CatalogVersion
			w.must(replace(w, old))
			for range 2 {
				if resp := w.offer(p); resp.CatalogVersion != seen || len(resp.Refusals) != 1 || resp.Refusals[0].Reason.Code != hotstick.ReasonRecalled {
					t.Errorf("catalog %d after %d, refused with %+v", resp.CatalogVersion, seen, resp.Refusals)
				}
				w.stop() // and a restart of the loader forgets nothing
				w.start()
			}
			if n := len(w.loads()); n != 0 {
				t.Errorf("a recalled level was loaded %d times", n)
			}
		})
	}
}

// What was approved before goes on, for the loader cannot know of what it was not told;
// but not for longer than the server's last word lives.
func TestAWithheldRecallHoldsNothingBackUntilTheMetadataExpires(t *testing.T) {
	t.Parallel()
	w := newHostile(t)
	p := w.publish(1, fake.Behaviour{})
	next := w.publish(2, fake.Behaviour{})
	old := filepath.Join(t.TempDir(), "old")
	w.must(os.CopyFS(old, os.DirFS(w.staged())))
	w.recall(p)
	w.recall(next)
	w.must(errors.Join(os.RemoveAll(w.staged()), os.CopyFS(w.staged(), os.DirFS(old))))
	w.start()
	w.offer(p)
	if r := w.end(); r.State != hotstick.Confirmed {
		t.Errorf("within the metadata's life the attempt ended %s %+v: the package doc says otherwise", r.State, r.Reason)
	}
	w.ahead.Store(int64(25 * time.Hour))
	resp := w.offer(next)
	if len(resp.Refusals) != 1 || resp.Refusals[0].Reason.Code != hotstick.ReasonCatalogExpired {
		t.Errorf("after the metadata's life the grant was refused with %+v", resp.Refusals)
	}
	if n := len(w.loads()); n != 1 {
		t.Errorf("the kernel was handed bytes %d times", n)
	}
}

func TestNamesThatLeadElsewhereAreNotFollowed(t *testing.T) {
	t.Parallel()
	w := newHostile(t)
	p := w.publish(1, fake.Behaviour{})
	lies := p
	lies.Artifacts = []hotstick.Artifact{p.Artifacts[0]}
	w.start()
	for _, digest := range []hotstick.Digest{"sha256:../../../../etc/passwd", "../../root.json", "sha256:" + hotstick.Digest(strings.Repeat("/", 64)), ""} {
		own := &inbox.Catalog{Dir: filepath.Join(t.TempDir(), "c"), Agent: w.agent, Root: w.root}
		if _, err := own.Refresh(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if data, err := own.Artifact(t.Context(), digest); err == nil {
			t.Errorf("%q was read: %.20q", digest, data)
		}
		lies.Artifacts[0].Digest = digest
		if raw, err := statement.Sign(statement.KindPlan, hotstick.Plan{Schema: hotstick.PlanSchema, Name: "x", Patch: p.Ref, Author: "ann", Epoch: 1,
			Lanes: []hotstick.Lane{{Build: hostileBuild, Driver: fake.Name, Artifact: digest, Module: "../../evil"}}}, w.author, w.approver); err == nil {
			if resp := w.call(raw); len(resp.Refusals) != 1 || len(resp.Plans) != 0 {
				t.Errorf("%q: a plan that names it was taken: %+v", digest, resp)
			}
		}
	}
}

// What the agent says of the host's health can only do harm to itself: good readings
// hide nothing that the kernel says.
func TestForgedHealthDoesNotHideWhatTheKernelSays(t *testing.T) {
	t.Parallel()
	w := newHostile(t)
	p := w.publish(1, fake.Behaviour{Warns: "WARNING: CPU: 0 PID: 1 at net/unix/af_unix.c:1 unix_ioctl+0x1/0x2 [fix_1]"})
	w.start()
	w.offer(p)
	if r := w.end(); r.State != hotstick.Reverted || r.Reason == nil || r.Reason.Code != hotstick.ReasonKernelLog && r.Reason.Code != hotstick.ReasonTaint {
		t.Errorf("the attempt ended %s %+v", r.State, r.Reason)
	}
	if running := w.running(); len(running) != 0 {
		t.Errorf("the kernel runs %v", running)
	}
}

// This is what a taken-over agent can do: probes are its own programs, and if it says
// that they are well, the loader has only the kernel to ask.
func TestForgedHealthHidesWhatOnlyAProbeSees(t *testing.T) {
	t.Parallel()
	w := newHostile(t)
	p := w.publish(1, fake.Behaviour{Ill: "503 for everybody"})
	w.start()
	w.offer(p)
	if r := w.end(); r.State != hotstick.Confirmed {
		t.Errorf("the attempt ended %s %+v: the package doc says otherwise", r.State, r.Reason)
	}
}

func TestAnAgentThatFallsSilentInProbationLosesThePatch(t *testing.T) {
	t.Parallel()
	w := newHostile(t)
	w.limits.AgentSilence = 300 * time.Millisecond
	p := w.publish(1, fake.Behaviour{})
	w.start()
	w.offer(p)
	if r := w.ended(); r.State != hotstick.Reverted || r.Reason == nil || r.Reason.Code != hotstick.ReasonAgentSilent {
		t.Errorf("the attempt ended %s %+v", r.State, r.Reason)
	}
}

// A flood of calls, each as large as calls get, over all connections that there are.
func TestAFloodOfCallsDoesNotHoldUpTheWayBack(t *testing.T) {
	t.Parallel()
	w := newHostile(t)
	w.limits.AgentSilence = 2 * time.Second
	p := w.publish(1, fake.Behaviour{Warns: "WARNING: CPU: 0 PID: 1 at net/unix/af_unix.c:1 unix_ioctl+0x1/0x2 [fix_1]"})
	w.start()
	raw, id := w.plan(p, "flooded")
	nonce := w.call(raw).Nonce
	junk := link.Request{Catalog: true}
	for range link.MaxDocuments {
		junk.Documents = append(junk.Documents, raw)
	}
	for i := range link.MaxReadings {
		junk.Readings = append(junk.Readings, hotstick.Reading{Probe: fmt.Sprint("p", i), Healthy: true, Detail: strings.Repeat("x", link.MaxDetailBytes)})
	}
	done := make(chan struct{})
	var flood sync.WaitGroup
	for range 3 {
		flood.Go(func() {
			client := link.Dial(w.socket)
			defer client.Close()
			for {
				select {
				case <-done:
					return
				default:
					_, _ = client.Exchange(t.Context(), junk)
				}
			}
		})
	}
	defer flood.Wait()
	defer close(done)
	w.call(w.grant(id, nonce))
	began := time.Now()
	if r := w.ended(); r.State != hotstick.Reverted {
		t.Errorf("the attempt ended %s %+v", r.State, r.Reason)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("load and way back took %s under the flood", took)
	}
}

func TestAFloodOfDocumentsFillsNoDisk(t *testing.T) {
	t.Parallel()
	w := newHostile(t)
	p := w.publish(1, fake.Behaviour{})
	w.start()
	var plans []json.RawMessage
	for i := range 3 * ledger.MaxPlans {
		raw, _ := w.plan(p, fmt.Sprint("old plan ", i))
		plans = append(plans, raw)
	}
	for range 2 { // all that were ever approved, again and again
		for _, some := range slices.Collect(slices.Chunk(plans, 64)) {
			w.call(some...)
		}
	}
	for i := range 50 {
		w.ask(link.Request{Acknowledged: uint64(1000 * (i + 1)), Readings: []hotstick.Reading{{Probe: fmt.Sprint("p", i), Healthy: true, Detail: strings.Repeat("x", link.MaxDetailBytes)}}})
	}
	files, bytes := 0, int64(0)
	w.must(filepath.WalkDir(w.state, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			files, bytes = files+1, bytes+info.Size()
		}
		return err
	}))
	t.Logf("the loader's state is %d bytes in %d files after %d plans", bytes, files, len(plans))
	if files > ledger.MaxPlans+20 || bytes > 4<<20 {
		t.Errorf("the loader's state is %d bytes in %d files", bytes, files)
	}
}

func TestANonceAskedForThousandsOfTimesIsOne(t *testing.T) {
	t.Parallel()
	w := newHostile(t)
	p := w.publish(1, fake.Behaviour{})
	w.start()
	raw, id := w.plan(p, "asked")
	first := w.call(raw).Nonce
	client := link.Dial(w.socket)
	defer client.Close()
	for range 3000 {
		resp, err := client.Exchange(t.Context(), link.Request{})
		if err != nil {
			t.Fatal(err)
		}
		if resp.Nonce != first {
			t.Fatal("asking made another nonce: an honest grant's could be pushed out")
		}
	}
	w.call(w.grant(id, first))
	if r := w.end(); r.State != hotstick.Confirmed {
		t.Errorf("the attempt ended %s %+v", r.State, r.Reason)
	}
}

func TestEverythingThatWasEverSentIsSentAgain(t *testing.T) {
	t.Parallel()
	w := newHostile(t)
	p := w.publish(1, fake.Behaviour{})
	w.start()
	w.offer(p)
	if r := w.end(); r.State != hotstick.Confirmed {
		t.Fatalf("the attempt ended %s %+v", r.State, r.Reason)
	}
	again := func(when string) {
		t.Helper()
		for range 3 {
			w.call(w.sent...)
			slices.Reverse(w.sent)
		}
		if n := len(w.loads()); n != 1 {
			t.Errorf("%s: the kernel was handed bytes %d times", when, n)
		}
	}
	again("in the same process")
	w.stop()
	w.start()
	again("after a restart")
}

func TestASocketThatIsGoneLeavesTheLoaderAtWork(t *testing.T) {
	t.Parallel()
	w := newHostile(t)
	w.limits.AgentSilence = 300 * time.Millisecond
	p := w.publish(1, fake.Behaviour{})
	w.start()
	w.offer(p)
	w.must(os.Remove(w.socket))
	if r := w.ended(); r.State != hotstick.Reverted || r.Reason == nil || r.Reason.Code != hotstick.ReasonAgentSilent {
		t.Errorf("the attempt ended %s %+v", r.State, r.Reason)
	}
}
