package catalog_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hotstick/hotstick/catalog"
)

var errPower = errors.New("the power went")

// cutAt cuts the power before the nth file gets its name, and ever after.
func cutAt(n int, happened *bool) func(string) error {
	return func(string) error {
		n--
		if n < 0 {
			*happened = true
			return errPower
		}
		return nil
	}
}

func TestPowerCutWhileAClientPersists(t *testing.T) {
	for n := 0; ; n++ {
		w := newWorld(t)
		w.mustPublish(w.patch(1, build61))
		dir := t.TempDir()
		c := w.mustClientIn(dir, live{w.repo})
		w.mustRefresh(c)
		w.mustPublish(w.patch(2, build61))
		w.rotateOnline()

		happened := false
		c = w.mustClientIn(dir, live{w.repo})
		c.CutPower(cutAt(n, &happened))
		_, err := c.Refresh(context.Background(), w.now)
		if !happened {
			if err != nil || n < 4 {
				t.Fatalf("with %d files: %v", n, err)
			}
			return
		}
		if !errors.Is(err, errPower) {
			t.Fatalf("cut at file %d: %v", n, err)
		}
		// A half-written file, as a file system may leave it.
		if err := os.WriteFile(filepath.Join(dir, ".catalog-123"), []byte(`{"signed":`), 0o600); err != nil {
			t.Fatal(err)
		}
		c = w.mustClientIn(dir, live{w.repo})
		v, err := c.Load()
		if err != nil || (len(v.Patches) != 1 && len(v.Patches) != 2) {
			t.Fatalf("cut at file %d: %+v, %v", n, v, err)
		}
		if left, err := filepath.Glob(filepath.Join(dir, ".catalog-*")); err != nil || len(left) != 0 {
			t.Errorf("cut at file %d: %v is left", n, left)
		}
		if v := w.mustRefresh(c); len(v.Patches) != 2 || v.Trust.Epoch != 6 {
			t.Errorf("cut at file %d, then: %+v", n, v)
		}
	}
}

func TestPowerCutWhileAnArtifactIsKept(t *testing.T) {
	w := newWorld(t)
	patch := w.patch(1, build61)
	w.mustPublish(patch)
	dir := t.TempDir()
	c := w.mustClientIn(dir, live{w.repo})
	w.mustRefresh(c)
	happened := false
	c.CutPower(cutAt(0, &happened))
	if _, err := c.Keep(context.Background(), patch.Artifacts[0].Digest); !errors.Is(err, errPower) {
		t.Fatal(err)
	}
	c = w.mustClientIn(dir, live{w.repo})
	if left, err := filepath.Glob(filepath.Join(dir, "targets", "*")); err != nil || len(left) != 0 {
		t.Errorf("%v is left", left)
	}
	if _, err := c.Keep(context.Background(), patch.Artifacts[0].Digest); err != nil {
		t.Error(err)
	}
}

func TestPowerCutWhileTheRepositoryAccepts(t *testing.T) {
	for _, act := range []string{"accept", "root", "renew"} {
		for n := 0; ; n++ {
			w := newWorld(t)
			w.mustPublish(w.patch(1, build61))
			client := w.mustClient(live{w.repo})
			w.mustRefresh(client)
			second := w.patch(2, build61)
			w.mustUpload(second)
			targets := w.must(catalog.Publish(w.publication(second), key("publisher")))
			w.spec.Trust.Epoch++
			root := w.must(catalog.NextRoot(w.repo.Root(), w.spec, key("root")))
			do := func(r *catalog.Repository) (err error) {
				switch act {
				case "accept":
					_, err = r.Accept(targets, w.now)
				case "root":
					_, err = r.AcceptRoot(root, nil, w.now)
				case "renew":
					_, err = r.Refresh(w.now.Add(catalog.SnapshotLife * 3 / 4))
				}
				return err
			}
			happened := false
			w.repo.CutPower(cutAt(n, &happened))
			if err := do(w.repo); happened != errors.Is(err, errPower) {
				t.Fatalf("%s cut at file %d: %v", act, n, err)
			}
			if !happened {
				if n < 2 {
					t.Errorf("%s wrote %d files", act, n)
				}
				break
			}
			repo, err := catalog.OpenRepository(w.dir, key("online"))
			if err != nil {
				t.Fatalf("%s cut at file %d: %v", act, n, err)
			}
			w.repo = repo
			client = w.mustClient(live{repo})
			w.mustRefresh(client)
			if err := do(repo); err != nil {
				t.Fatalf("%s cut at file %d, then: %v", act, n, err)
			}
			w.mustRefresh(client)
		}
	}
}

func TestAFullDiskLeavesTheOldView(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	c := w.mustClientIn(dir, live{w.repo})
	w.mustRefresh(c)
	w.mustPublish(w.patch(1, build61))
	// A directory stands where the file should go: the write fails as on a full disk.
	if err := os.Mkdir(filepath.Join(dir, "2.targets.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Refresh(context.Background(), w.now); err == nil || !strings.Contains(err.Error(), "cannot write 2.targets.json") {
		t.Errorf("got %v", err)
	}
	if v, err := c.Load(); err != nil || v.Version != 1 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestClientsMayBeUsedByMany(t *testing.T) {
	w := newWorld(t)
	patch := w.patch(1, build61)
	w.mustPublish(patch)
	c := w.mustClient(live{w.repo})
	w.mustRefresh(c)
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			var err error
			switch i % 4 {
			case 0:
				_, err = c.Refresh(context.Background(), start)
			case 1:
				_, err = c.Keep(context.Background(), patch.Artifacts[0].Digest)
			case 2:
				_, err = c.Load()
			case 3:
				_, err = w.repo.Refresh(start.Add(catalog.TimestampLife * 3 / 4))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

// stuck is a source that never answers.
type stuck struct{ asked chan struct{} }

func (s stuck) Fetch(ctx context.Context, _ string, _ int64) ([]byte, error) {
	close(s.asked)
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestAStuckSourceDoesNotKeepTheViewAway(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	w.mustRefresh(w.mustClientIn(dir, live{w.repo}))
	source := stuck{make(chan struct{})}
	c := w.mustClientIn(dir, source)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := c.Refresh(ctx, w.now)
		done <- err
	}()
	<-source.asked
	if v, err := c.Load(); err != nil || v.Version != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
