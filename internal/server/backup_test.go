package server

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/identity"
)

// backup backs the running server up.
func (w *world) backup() ([]byte, audit.Checkpoint) {
	w.Helper()
	var out bytes.Buffer
	c, err := Backup(w.Context(), w.dir, &out, time.Now())
	w.must(err)
	return out.Bytes(), c
}

// restored runs a server on a restored directory in the place of the first one.
func (w *world) restored(data []byte) {
	w.Helper()
	dir := filepath.Join(w.TempDir(), "restored")
	_, err := Restore(w.Context(), dir, bytes.NewReader(data), time.Now)
	w.must(err)
	w.stop()
	w.dir, w.options.Dir = dir, dir
	w.start()
	w.admin = w.client(identity.Admin)
}

func TestARestoredServerGoesOnOnceItIsReconciled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	hosts := w.fleetOfFour()
	ref := w.publish(1)
	approved := w.approved(ref, quick)
	data, c := w.backup()
	if c.Size == 0 || c.Epoch != 1 {
		t.Errorf("the backup's checkpoint is %+v", c)
	}
	// What the backup does not know: the plan ran, was taken back, and the level banned.
	_, err := w.admin.Start(t.Context(), string(approved.Plan))
	w.must(err)
	_, err = w.admin.Revert(t.Context(), string(approved.Plan), api.RevertRequest{Reason: "it was bad"})
	w.must(err)
	for _, h := range hosts {
		h.halt()
		h.until(func() bool { return slices.Contains(h.bans, ref) })
	}
	granted := hosts[0].granted(approved.Plan)
	w.restored(data)
	_, err = w.admin.Start(t.Context(), string(approved.Plan))
	w.refused(err, 422, "unreconciled")
	if o, err := w.admin.Overview(t.Context()); err != nil || !o.Unreconciled || !strings.Contains(o.Headline, "older one") {
		t.Errorf("the overview says %q, %v", o.Headline, err)
	}
	_, err = w.admin.Reconcile(t.Context(), api.ReconcileRequest{Reason: "restored"})
	w.refused(err, 409, "conflict")
	for _, h := range hosts {
		_, err := h.checkIn(t.Context(), 0)
		w.must(err)
		_, err = h.checkIn(t.Context(), 0)
		w.must(err)
	}
	got, err := w.admin.Reconcile(t.Context(), api.ReconcileRequest{Reason: "restored"})
	w.must(err)
	if len(got.Silent) != 0 || !slices.Equal(got.Banned, []hotstick.PatchRef{ref}) || !slices.Equal(got.Halted, []hotstick.PlanID{approved.Plan}) {
		t.Errorf("reconciled %+v", got)
	}
	for _, h := range hosts {
		_, err := h.checkIn(t.Context(), 0)
		w.must(err)
	}
	if hosts[0].granted(approved.Plan) != granted {
		t.Error("the plan of the lost days went on")
	}
	if r, err := w.admin.Rollout(t.Context(), string(approved.Plan)); err != nil || r.Status != hotstick.Halted {
		t.Errorf("the plan is %s, %v", r.Status, err)
	}
	_, err = w.admin.Reconcile(t.Context(), api.ReconcileRequest{Reason: "again"})
	w.refused(err, 409, "conflict")
	if second := w.publish(2); w.running(second, quick).Status != hotstick.Running {
		t.Error("nothing starts any more")
	}
}

func TestBadBackups(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.joinToken()
	good, _ := w.backup()
	edit := func(change func(name string, data []byte) (string, []byte)) []byte {
		var out bytes.Buffer
		in, to := tar.NewReader(bytes.NewReader(good)), tar.NewWriter(&out)
		for {
			h, err := in.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			w.must(err)
			data, err := io.ReadAll(in)
			w.must(err)
			if h.Name, data = change(h.Name, data); h.Name == "" {
				continue
			}
			h.Size = int64(len(data))
			w.must(to.WriteHeader(h))
			_, err = to.Write(data)
			w.must(err)
		}
		w.must(to.Close())
		return out.Bytes()
	}
	rename := func(from, to string) []byte {
		return edit(func(name string, data []byte) (string, []byte) {
			if name == from {
				name = to
			}
			return name, data
		})
	}
	for _, c := range []struct {
		name string
		data []byte
		says string
	}{
		{"nothing", nil, "cut off"},
		{"cut in the middle", good[:len(good)/2], "cannot"},
		{"without its list", rename(backupManifest, ""), "cut off"},
		{"without a file", rename(keysDir+"/"+onlineKey, ""), "was changed"},
		{"a file out of the directory", rename("checkpoint", "../checkpoint"), "which no backup has"},
		{"an absolute file", rename("checkpoint", "/etc/passwd"), "which no backup has"},
		{"a file that is no part of it", rename("checkpoint", "admin.token"), "which no backup has"},
		{"a file twice", rename("checkpoint", databaseFile), "exists"},
		{"a changed key", edit(func(name string, data []byte) (string, []byte) {
			if strings.HasPrefix(name, keysDir) {
				data[40] ^= 1
			}
			return name, data
		}), "was changed"},
		{"no archive", bytes.Repeat([]byte("x"), 2048), "cannot be read"},
	} {
		dir := filepath.Join(t.TempDir(), "restored")
		_, err := Restore(t.Context(), dir, bytes.NewReader(c.data), time.Now)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
		left, _ := filepath.Glob(filepath.Dir(dir) + "/*")
		if len(left) != 0 {
			t.Errorf("%s: %v is left behind", c.name, left)
		}
	}
	if _, err := Restore(t.Context(), w.dir, bytes.NewReader(good), time.Now); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("over a server: %v", err)
	}
	if left, _ := filepath.Glob(w.dir + "/.backup-*"); len(left) != 0 {
		t.Errorf("the backup left %v", left)
	}
	empty := t.TempDir()
	if _, err := Restore(t.Context(), empty, bytes.NewReader(good), time.Now); err != nil {
		t.Errorf("into an empty directory: %v", err)
	}
	if info, err := os.Stat(filepath.Join(empty, keysDir, onlineKey)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
}

// FuzzBackup: whatever a backup holds, nothing is written outside of its directory.
func FuzzBackup(f *testing.F) {
	var seed bytes.Buffer
	out := tar.NewWriter(&seed)
	for _, name := range []string{"server.yaml", "keys/online.pem", "../x", "catalog/targets/a", backupManifest} {
		if err := errors.Join(out.WriteHeader(&tar.Header{Name: name, Size: 2, Mode: 0o600}), func() error { _, err := out.Write([]byte("{}")); return err }()); err != nil {
			f.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(seed.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = unpack(bytes.NewReader(data), func(name string, r io.Reader) (string, error) {
			if path := filepath.Join("/srv/data", name); !strings.HasPrefix(path, "/srv/data/") {
				t.Errorf("a backup writes %q", name)
			}
			sum := sha256.New()
			_, err := io.Copy(sum, r)
			return digestOf(sum), err
		})
	})
}
