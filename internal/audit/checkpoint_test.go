package audit

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// keyOf is a key that is the same in every run.
func keyOf(t *testing.T, seed byte) *statement.Key {
	t.Helper()
	key, err := statement.NewKey(append([]byte{seed}, make([]byte, 31)...))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func trustIn(epoch uint64, keys ...*statement.Key) hotstick.Trust {
	trust := hotstick.Trust{Epoch: epoch}
	for _, k := range keys {
		trust.ServerKeys = append(trust.ServerKeys, hotstick.TrustedKey(k.Public()))
	}
	return trust
}

func mustSign(t *testing.T, c Checkpoint, key statement.Signer) []byte {
	t.Helper()
	signed, err := SignCheckpoint(c, key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// TestTheFormatOfACheckpointIsWhatTheGoldenFileSays fails when a byte of what was
// signed yesterday would be signed otherwise tomorrow.
func TestTheFormatOfACheckpointIsWhatTheGoldenFileSays(t *testing.T) {
	key := keyOf(t, 1)
	c := Checkpoint{Head: newForger(t, 20).head(), Epoch: 3, At: noon}
	signed := mustSign(t, c, key)
	golden, err := os.ReadFile("testdata/checkpoint.golden")
	if err != nil || string(signed) != string(golden) {
		t.Errorf("signed\n%s\nthe golden file says (%v)\n%s", signed, err, golden)
	}
	got, err := OpenCheckpoint(golden, trustIn(3, key))
	if err != nil || got != c {
		t.Errorf("opened %+v, %v; want %+v", got, err, c)
	}
	shown, err := ParseCheckpoint(golden)
	if err != nil || shown != c {
		t.Errorf("parsed %+v, %v; want %+v", shown, err, c)
	}
}

func TestAnyNoteReaderVerifiesACheckpoint(t *testing.T) {
	key := keyOf(t, 1)
	text, err := VerifierKey(ed25519.PublicKey(key.Public()))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(mustSign(t, Checkpoint{At: noon}, key), note.VerifierList(verifier)); err != nil {
		t.Error(err)
	}
	back, err := ParseVerifierKey(text)
	if err != nil || !key.Public().Equal(hotstick.TrustedKey(back)) {
		t.Errorf("read the key back as %x, %v", back, err)
	}
	for _, bad := range []string{"", "x", strings.Replace(text, "hotstick", "other", 1), text[:len(text)-4], text + "A"} {
		if _, err := ParseVerifierKey(bad); err == nil {
			t.Errorf("took %q for a key", bad)
		}
	}
}

func TestForgedCheckpoints(t *testing.T) {
	server, thief := keyOf(t, 1), keyOf(t, 2)
	good := Checkpoint{Head: newForger(t, 20).head(), Epoch: 1, At: noon}
	resigned := func(text string) []byte {
		v, err := verifierOf(ed25519.PublicKey(server.Public()))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := note.Sign(&note.Note{Text: text}, signer{v, server})
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	honest := string(mustSign(t, good, server))
	attacks := []struct {
		name string
		note string
		want error
	}{
		{"signed by another key", string(mustSign(t, good, thief)), ErrUnsigned},
		{"a size that was not signed", strings.Replace(honest, "\n20\n", "\n21\n", 1), ErrUnsigned},
		{"no signature", good.text() + "\n", ErrUnsigned},
		{"nothing", "", ErrUnsigned},
		{"of another epoch", string(mustSign(t, Checkpoint{Head: good.Head, Epoch: 2, At: noon}, server)), ErrOtherEpoch},
		{"of another log", string(resigned(strings.Replace(good.text(), Origin, "other/log", 1))), nil},
		{"a size below zero", string(resigned(strings.Replace(good.text(), "\n20\n", "\n-20\n", 1))), nil},
		{"a size with a zero before it", string(resigned(strings.Replace(good.text(), "\n20\n", "\n020\n", 1))), nil},
		{"a root that is too short", string(resigned(Origin + "\n20\nAAAA\nepoch 1\ntime 2026-11-21T12:00:00Z\n")), nil},
		{"a line more", string(resigned(good.text() + "more\n")), nil},
		{"no epoch", string(resigned(strings.Replace(good.text(), "epoch 1\n", "", 1))), nil},
		{"a local time", string(resigned(strings.Replace(good.text(), "12:00:00Z", "13:00:00+01:00", 1))), nil},
		{"endless", honest + strings.Repeat("x", MaxNoteBytes), nil},
	}
	for _, a := range attacks {
		_, err := OpenCheckpoint([]byte(a.note), trustIn(1, server))
		if err == nil || a.want != nil && !errors.Is(err, a.want) {
			t.Errorf("%s: %v, want %v", a.name, err, a.want)
		}
	}
	if _, err := OpenCheckpoint([]byte(honest), hotstick.Trust{Epoch: 1, ServerKeys: []hotstick.TrustedKey{make([]byte, 5)}}); err == nil {
		t.Error("took a key of five bytes")
	}
	if _, err := SignCheckpoint(good, broken{server.Public()}); err == nil {
		t.Error("signed with a key that cannot sign")
	}
}

// broken is a key whose token was pulled out.
type broken struct{ public hotstick.TrustedKey }

func (b broken) Public() hotstick.TrustedKey { return b.public }
func (b broken) Sign([]byte) ([]byte, error) { return nil, errors.New("no such token") }

// keeper is somebody who remembers checkpoints of a server.
type keeper struct {
	*testing.T
	server *statement.Key
	memory *Memory
}

func newKeeper(t *testing.T) *keeper {
	k := &keeper{T: t, server: keyOf(t, 1)}
	k.memory = k.mustOpen(filepath.Join(t.TempDir(), "audit"))
	return k
}

func (k *keeper) mustOpen(dir string) *Memory {
	k.Helper()
	m, err := OpenHistory(dir)
	if err != nil {
		k.Fatal(err)
	}
	return m
}

// offer signs the head of a log's first size leaves and gives it to the memory with
// the proof that the log can make.
func (k *keeper) offer(f *forger, size, epoch int64) (Step, error) {
	k.Helper()
	head, err := NewHead(size, f)
	if err != nil {
		k.Fatal(err)
	}
	kept, _ := k.memory.Kept()
	proof, err := ProveGrowth(kept.Size, size, f)
	if err != nil {
		proof = nil // the log has no such proof
	}
	return k.memory.Take(mustSign(k.T, Checkpoint{Head: head, Epoch: uint64(epoch), At: noon}, k.server), trustIn(uint64(epoch), k.server), proof)
}

func TestWhoRemembersFollowsALogThatGrows(t *testing.T) {
	k, f := newKeeper(t), newForger(t, 100)
	if _, there := k.memory.Kept(); there {
		t.Error("remembers something from the start")
	}
	for _, s := range []struct {
		size int64
		want Step
	}{{10, StepFirst}, {10, StepSame}, {11, StepGrown}, {64, StepGrown}, {100, StepGrown}} {
		step, err := k.offer(f, s.size, 1)
		if err != nil || step != s.want {
			t.Errorf("%d leaves: %s, %v; want %s", s.size, step, err, s.want)
		}
		again := k.mustOpen(k.memory.Dir())
		if kept, there := again.Kept(); !there || kept.Size != s.size {
			t.Errorf("after a restart %d leaves are remembered, want %d", kept.Size, s.size)
		}
	}
	heads, err := k.memory.Heads()
	if err != nil || len(heads) != 4 || VerifyLog(f, heads...) != nil {
		t.Errorf("the heads %v, %v", heads, err)
	}
}

func TestARewrittenLogIsRefusedAndBothNotesAreKept(t *testing.T) {
	attacks := []struct {
		name   string
		offer  func(*keeper, *forger) (Step, error)
		shrunk bool
	}{
		{"forked and grown", func(k *keeper, f *forger) (Step, error) { f.fork(30, "harmless"); return k.offer(f, 70, 1) }, false},
		{"forked at the same size", func(k *keeper, f *forger) (Step, error) { f.fork(30, "harmless"); return k.offer(f, 50, 1) }, false},
		{"a backup put back", func(k *keeper, f *forger) (Step, error) { return k.offer(f, 40, 1) }, true},
		{"emptied", func(k *keeper, f *forger) (Step, error) { return k.offer(f, 0, 1) }, true},
	}
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			k, f, honest := newKeeper(t), newForger(t, 70), newForger(t, 70)
			if _, err := k.offer(f, 50, 1); err != nil {
				t.Fatal(err)
			}
			_, err := a.offer(k, f)
			var c *Conflict
			if !errors.As(err, &c) || !errors.Is(err, ErrForked) || c.Shrunk() != a.shrunk {
				t.Fatalf("got %v", err)
			}
			for _, signed := range [][]byte{c.Kept, c.Offered} {
				if _, err := OpenCheckpoint(signed, trustIn(1, k.server)); err != nil {
					t.Errorf("the evidence is not signed: %v", err)
				}
			}
			if _, err := a.offer(k, f); err == nil {
				t.Error("the second time it was taken")
			}
			names, err := k.memory.names(conflictDir)
			if err != nil || len(names) != 1 {
				t.Fatalf("kept the evidence %v, %v; want it once", names, err)
			}
			kept, err := os.ReadFile(filepath.Join(k.memory.Dir(), conflictDir, names[0]))
			if err != nil || string(kept) != string(c.Kept)+"\n"+string(c.Offered) {
				t.Errorf("kept %q, %v", kept, err)
			}
			if now, _ := k.memory.Kept(); now.Size != 50 || k.memory.Conflict() == nil {
				t.Errorf("remembers %d leaves and the conflict %v", now.Size, k.memory.Conflict())
			}
			if step, err := k.offer(honest, 60, 1); err != nil || step != StepGrown || k.memory.Conflict() != nil {
				t.Errorf("the honest server came back: %s, %v, %v", step, err, k.memory.Conflict())
			}
		})
	}
}

func TestOnlyANewEpochBeginsALogAnew(t *testing.T) {
	k, clean := newKeeper(t), newForger(t, 5)
	if _, err := k.offer(newForger(t, 50), 50, 1); err != nil {
		t.Fatal(err)
	}
	if step, err := k.offer(clean, 5, 2); err != nil || step != StepAnew {
		t.Errorf("a clean server of a new epoch: %s, %v", step, err)
	}
	if step, err := k.offer(newForger(t, 50), 50, 1); !errors.Is(err, ErrForked) {
		t.Errorf("the stolen server of the old epoch: %s, %v", step, err)
	}
	if heads, err := k.memory.Heads(); err != nil || len(heads) != 1 {
		t.Errorf("heads of the new epoch: %v, %v", heads, err)
	}
}

func TestAnUnsignedOfferChangesNothing(t *testing.T) {
	k, f := newKeeper(t), newForger(t, 50)
	if _, err := k.offer(f, 20, 1); err != nil {
		t.Fatal(err)
	}
	for name, offer := range map[string][]byte{"forged": mustSign(t, Checkpoint{Epoch: 1}, keyOf(t, 2)), "garbage": []byte("x"), "empty": nil} {
		if _, err := k.memory.Take(offer, trustIn(1, k.server), nil); err == nil || errors.Is(err, ErrForked) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if kept, _ := k.memory.Kept(); kept.Size != 20 || k.memory.Conflict() != nil {
		t.Errorf("remembers %d leaves, conflict %v", kept.Size, k.memory.Conflict())
	}
}

func TestADamagedMemoryIsNotTakenForAnEmptyOne(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, keptFile), []byte("half a che"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenMemory(dir); err == nil {
		t.Error("began anew without a word")
	}
}

func TestAMemoryStaysSmall(t *testing.T) {
	k, f := newKeeper(t), newForger(t, 90)
	for size := int64(1); size <= 90; size++ {
		if _, err := k.offer(f, size, 1); err != nil {
			t.Fatal(err)
		}
	}
	heads, err := k.memory.Heads()
	if err != nil || len(heads) > maxHistory+1 || heads[0].Size != 1 || VerifyLog(f, heads...) != nil {
		t.Errorf("%d heads, %v", len(heads), err)
	}
	for i := range maxConflicts + 5 {
		g := newForger(t, 90)
		g.fork(i, "harmless")
		if _, err := k.offer(g, 90, 1); !errors.Is(err, ErrForked) {
			t.Fatal(err)
		}
	}
	if names, err := k.memory.names(conflictDir); err != nil || len(names) != maxConflicts {
		t.Errorf("%d pieces of evidence, %v", len(names), err)
	}
}

func TestAMemoryWithoutHistoryKeepsOneCheckpoint(t *testing.T) {
	k, f := newKeeper(t), newForger(t, 50)
	var err error
	if k.memory, err = OpenMemory(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{10, 20, 30} {
		if _, err := k.offer(f, size, 1); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(k.memory.Dir())
	if heads, headsErr := k.memory.Heads(); err != nil || headsErr != nil || len(heads) != 1 || len(entries) != 1 {
		t.Errorf("%d heads in %d files, %v, %v", len(heads), len(entries), err, headsErr)
	}
}

func FuzzCheckpoint(f *testing.F) {
	golden, err := os.ReadFile("testdata/checkpoint.golden")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add([]byte("hotstick/audit\n0\n\nepoch 0\ntime \n\n— x y\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCheckpoint(data)
		if err == nil && !strings.HasPrefix(string(data), c.text()) {
			t.Errorf("%q was read as %q", data, c.text())
		}
		if _, err := OpenCheckpoint(data, hotstick.Trust{Epoch: c.Epoch}); err == nil {
			t.Error("opened without a key")
		}
		_, _ = ParseVerifierKey(string(data))
	})
}
