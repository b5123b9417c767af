package statement_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden is one signed example on disk: an envelope as it travels, and what it opens
// to. The keys are those of the test world, made from the names in signed_by.
type golden struct {
	name     string
	SignedBy []string        `json:"signed_by"`
	Envelope json.RawMessage `json:"envelope"`
	Opens    json.RawMessage `json:"opens"`
}

const goldenFolder = "testdata/golden"

// goldens reads all golden files, by name.
func goldens(t testing.TB) []golden {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(goldenFolder, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	slices.Sort(paths)
	var list []golden
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		g := golden{name: strings.TrimSuffix(filepath.Base(path), ".json")}
		mustUnmarshal(t, raw, &g)
		var line bytes.Buffer // as it travels: without the file's line breaks
		if err := json.Compact(&line, g.Envelope); err != nil {
			t.Fatal(err)
		}
		g.Envelope = line.Bytes()
		list = append(list, g)
	}
	return list
}

// variants are examples of a second form of a kind, by the name of their file.
func (w *world) variants() map[string]example {
	recalls := w.clear()
	recalls.Hosts, recalls.Ban, recalls.Recall = []hotstick.HostID{}, false, true
	return map[string]example{
		"clear-of-recalls": {statement.KindClear, recalls, []string{"bob", "dan"}},
		"plan-emergency":   {statement.KindPlan, w.hasty(hosts(5)), []string{"ann", "bob"}},
	}
}

// all are the examples by the names of their golden files.
func (w *world) all() map[string]example {
	all := w.variants()
	for _, e := range w.examples() {
		all[string(e.kind)] = e
	}
	return all
}

// TestGoldenStatements keeps the format: each example must come out byte for byte
// as it did, and the files, as old versions wrote them, must still open to the same.
func TestGoldenStatements(t *testing.T) {
	w := newWorld(t)
	examples := w.all()
	if *update {
		for name, e := range examples {
			raw := w.mustSign(e.kind, e.body, e.signers...)
			file, err := json.MarshalIndent(golden{SignedBy: e.signers, Envelope: raw, Opens: mustMarshal(t, e.body)}, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(goldenFolder, name+".json"), append(file, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, g := range goldens(t) {
		e, ok := examples[g.name]
		if !ok {
			t.Errorf("%s: a golden file that no example makes", g.name)
			continue
		}
		if raw := w.mustSign(e.kind, e.body, e.signers...); !bytes.Equal(raw, g.Envelope) {
			t.Errorf("%s: the format has changed: %s", g.name, raw)
		}
		body, err := opened(g.Envelope, e.kind, w.trust)
		if err != nil {
			t.Errorf("%s: %v", g.name, err)
			continue
		}
		if !sameJSON(t, mustMarshal(t, body), g.Opens) {
			t.Errorf("%s: opens to %s", g.name, mustMarshal(t, body))
		}
	}
	first, err := os.ReadFile(filepath.Join("testdata", "plan-of-the-first-version.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := open(first, statement.KindPlan, w.trust); err != nil {
		t.Errorf("a plan as the first version wrote it: %v", err)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y bytes.Buffer
	if json.Compact(&x, a) != nil || json.Compact(&y, b) != nil {
		t.Fatal("not JSON")
	}
	return bytes.Equal(x.Bytes(), y.Bytes())
}

// A kind without a golden file, or a golden file of no kind, fails here.
func TestEveryKindHasItsGoldenFile(t *testing.T) {
	var have []string
	for _, g := range goldens(t) {
		kind, err := statement.KindOf(g.Envelope)
		if err != nil {
			t.Errorf("%s: %v", g.name, err)
		}
		if name, _, variant := strings.Cut(g.name, "-"); name != string(kind) {
			t.Errorf("%s holds a %s", g.name, kind)
		} else if !variant {
			have = append(have, name)
		}
	}
	var want []string
	for _, k := range statement.Kinds() {
		want = append(want, string(k))
	}
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("golden files of %v, kinds are %v", have, want)
	}
}

// Whatever byte of a signed statement is flipped, it does not verify any more.
func TestAStatementWithOneFlippedByteIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, g := range goldens(t) {
		kind, err := statement.KindOf(g.Envelope)
		if err != nil {
			t.Fatal(err)
		}
		if err := open(g.Envelope, kind, w.trust); err != nil {
			t.Fatalf("%s: %v", g.name, err)
		}
		for i := range g.Envelope {
			flipped := bytes.Clone(g.Envelope)
			flipped[i] ^= 1 << (i % 8)
			if open(flipped, kind, w.trust) == nil {
				t.Fatalf("%s: opens with byte %d, %q, as %q", g.name, i, g.Envelope[i], flipped[i])
			}
		}
	}
}

func TestUnknownKindsAndVersionsAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, g := range goldens(t) {
		kind, err := statement.KindOf(g.Envelope)
		if err != nil {
			t.Fatal(err)
		}
		env := envelope(t, g.Envelope)
		for _, typ := range []string{"application/vnd.hotstick.deed.v1+json", "application/vnd.hotstick." + string(kind) + ".v2+json",
			"application/vnd.hotstick." + string(kind) + ".v1", env.PayloadType + " ", strings.ToUpper(env.PayloadType), "text/plain"} {
			env.PayloadType = typ
			w.mustRefuse(open(mustMarshal(t, env), kind, w.trust), hotstick.ReasonSignature)
			if _, err := statement.KindOf(mustMarshal(t, env)); err == nil {
				t.Errorf("%s: taken for a %s", g.name, typ)
			}
		}
	}
}

// A field that this version does not know may be the one that matters, so a signed
// statement with one is refused, whoever signed it.
func TestUnknownFieldsAreRefusedWhoeverSigned(t *testing.T) {
	w := newWorld(t)
	for name, e := range w.all() {
		raw := strings.Replace(string(mustMarshal(t, e.body)), "{", `{"also":true,`, 1)
		signed, err := statement.SignPayload(e.kind, []byte(raw), keys(e.signers...)...)
		if err != nil {
			t.Fatal(err)
		}
		if err := open(signed, e.kind, w.trust); err == nil {
			t.Errorf("%s: taken", name)
		} else {
			w.mustRefuse(err, hotstick.ReasonSignature)
		}
	}
}
