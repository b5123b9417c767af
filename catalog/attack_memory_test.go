package catalog_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/catalog"
)

// maxFilled is how much one file of 16 MiB may have us allocate, reading it included.
const maxFilled = 200 << 20

// allocated returns how many bytes were allocated while do ran.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// empties is targets metadata of the greatest length, signed by nobody, with one list
// of elements that are nothing when written and hundreds of bytes when read.
func empties(open, end string) []byte {
	n := (catalog.MaxTargetsBytes - len(open) - len(end) - 2) / 3
	return []byte(open + strings.Repeat("{},", n) + "{}" + end)
}

func emptyPatches() []byte {
	return empties(`{"signed":{"_type":"targets","x-hotstick":{"schema":"hotstick/patches/v1","patches":[`, `]}},"signatures":[]}`)
}

func TestAnUnsignedFileOfEmptyElementsFillsNoMemory(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	c := w.mustClient(live{w.repo})
	w.mustRefresh(c)
	for _, test := range []struct {
		what string
		file []byte
	}{
		{"patches", emptyPatches()},
		{"artifacts", empties(`{"signed":{"_type":"targets","x-hotstick":{"patches":[{"artifacts":[`, `]}]}},"signatures":[]}`)},
		{"recalls", empties(`{"signed":{"_type":"targets","x-hotstick":{"recalls":[`, `]}},"signatures":[]}`)},
		{"delegations", empties(`{"signed":{"_type":"targets","x-hotstick":{"delegations":[`, `]}},"signatures":[]}`)},
		{"signatures", empties(`{"signed":{"_type":"targets"},"signatures":[`, `]}`)},
	} {
		filled := allocated(func() {
			if _, err := c.TakeRecalls(test.file); err == nil || !strings.Contains(err.Error(), "memory") {
				t.Errorf("%s: got %v", test.what, err)
			}
		})
		if filled > maxFilled {
			t.Errorf("%s: %d MiB were allocated", test.what, filled>>20)
		}
		filled = allocated(func() {
			if _, err := catalog.ReadPaper(test.file); err == nil {
				t.Errorf("%s: the paper was taken", test.what)
			}
		})
		if filled > maxFilled {
			t.Errorf("%s: %d MiB were allocated for a paper", test.what, filled>>20)
		}
	}
}

// The loader reads the agent's directory, whoever has taken the agent over.
func TestAnAgentsFileOfEmptyPatchesFillsNoMemoryOfTheLoader(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	agent := t.TempDir()
	w.mustRefresh(w.mustClientIn(agent, live{w.repo}))
	loader := w.mustClientIn(t.TempDir(), catalog.NewStaged(agent))
	w.mustRefresh(loader)
	if err := os.MkdirAll(filepath.Join(agent, "recalls"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(agent, "recalls", "1.json"), emptyPatches(), 0o644); err != nil {
		t.Fatal(err)
	}
	filled := allocated(func() { w.mustRefresh(loader) })
	if filled > maxFilled {
		t.Errorf("%d MiB were allocated", filled>>20)
	}
}

func TestAMirrorsFileOfEmptyPatchesFillsNoMemory(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	held := w.source()
	bomb := emptyPatches()
	for _, test := range []struct {
		what, want string
		mirror     *source
	}{
		{"beside its set", "lies", held.with("recalls/1.json", bomb)},
		{"named by a snapshot that nobody signed", "lies", w.steal(held, 9, bomb, 90, "root2")},
		{"named by a snapshot of stolen keys", "lies", w.steal(held, 9, bomb, 90)},
	} {
		c := w.mustClient(held)
		w.mustRefresh(c)
		filled := allocated(func() {
			if _, got, _ := w.follow(c, test.mirror); got != test.want {
				t.Errorf("%s: the mirror is %q, want %q", test.what, got, test.want)
			}
		})
		if filled > maxFilled {
			t.Errorf("%s: %d MiB were allocated", test.what, filled>>20)
		}
	}
}

// A file may have the right form and be as large as may be: go-tuf would read it into
// more than a gigabyte before it looks at the signatures.
func TestAWellFormedFileThatNobodySignedFillsLittleMemory(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	c := w.mustClient(live{w.repo})
	w.mustRefresh(c)
	functions := slices.Repeat([]string{"a:b"}, 2000)
	large := w.forge(w.recallFile(), func(signed map[string]any) {
		block, files := signed["x-hotstick"].(map[string]any), signed["targets"].(map[string]any)
		for level := 2; level < 1200; level++ {
			p := w.patch(level, build61)
			p.Functions = functions
			block["patches"] = append(block["patches"].([]any), p)
			for _, a := range p.Artifacts {
				files["sha256-"+a.Digest.Hex()+".ko"] = map[string]any{"length": a.SizeBytes, "hashes": map[string]any{"sha256": a.Digest.Hex()}}
			}
		}
	}, "mallory")
	if len(large) < catalog.MaxTargetsBytes*9/10 || len(large) > catalog.MaxTargetsBytes {
		t.Fatalf("the file has %d bytes", len(large))
	}
	inAnothersName := bytes.ReplaceAll(large, []byte(tufID(key("mallory").Public())), []byte(tufID(key("publisher").Public())))
	for what, file := range map[string][]byte{"signed by a stranger": large, "signed in another's name": inAnothersName} {
		filled := allocated(func() {
			if _, err := c.TakeRecalls(file); err == nil || !strings.Contains(err.Error(), "not enough signatures") {
				t.Errorf("%s: got %v", what, err)
			}
		})
		if filled > 300<<20 {
			t.Errorf("%s: %d MiB were allocated", what, filled>>20)
		}
	}
}
