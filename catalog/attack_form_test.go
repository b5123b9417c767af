package catalog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/catalog"
)

// at returns the object at a path of keys, which must be there.
func at(t *testing.T, doc any, path ...any) obj {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			doc = doc.(obj)[p]
		case int:
			doc = doc.([]any)[p]
		}
	}
	o, ok := doc.(obj)
	if !ok {
		t.Fatalf("nothing at %v", path)
	}
	return o
}

// mayBeNull are fields of patches for which null says what their absence says.
var mayBeNull = []string{"cves", "functions", "published"}

// nullable returns a copy of a document for each place in its signed part, with
// null there.
func nullable(t *testing.T, data []byte) [][]byte {
	t.Helper()
	var doc obj
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	save := func() {
		data, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case obj:
			for k, old := range v {
				if slices.Contains(mayBeNull, k) {
					continue
				}
				v[k] = nil
				save()
				v[k] = old
				walk(old)
			}
		case []any:
			for i, old := range v {
				v[i] = nil
				save()
				v[i] = old
				walk(old)
			}
		}
	}
	walk(doc["signed"])
	return all
}

// notMetadata is valid JSON that is no TUF metadata, and what is hardly JSON.
var notMetadata = []string{
	`null`, `[]`, `{}`, `""`, `0`, `true`, `{"signed":null}`, `{"signed":{}}`, `{"signed":[]}`, `{"signed":{"_type":null}}`, `{"signed":{"_type":7}}`,
	`{"signed":{"_type":"root"},"signatures":null}`, `{"signed":{"_type":"timestamp","version":1}}`, `{"signed":{"_type":"targets"},"signatures":[null]}`,
	`[[[[[[[[[[`, strings.Repeat("[", 20_000), "", " ", "\x00", "\xef\xbb\xbf{}", `{"signed":1e999}`, `{"signed":{"version":1e400}}`,
}

func TestNullWhereSomethingMustBe(t *testing.T) {
	w := newWorld(t)
	w.mustPublish(w.patch(1, build61))
	good := w.source()
	for _, name := range []string{"1.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json"} {
		bad := nullable(t, (*good)[name])
		for _, text := range notMetadata {
			bad = append(bad, []byte(text))
		}
		for _, data := range bad {
			// Unsigned first; then, where the signed part is at fault, by its signers.
			files := [][]byte{data}
			var doc struct {
				Signed obj `json:"signed"`
			}
			if json.Unmarshal(data, &doc) == nil && doc.Signed != nil {
				files = append(files, w.forge(data, nothing, "root", "publisher", "online"))
			}
			for _, data := range files {
				var err error
				if name == "1.root.json" {
					_, err = catalog.NewClient(t.TempDir(), data, good)
				} else {
					_, err = w.mustClient(w.relink(good, name, data)).Refresh(t.Context(), w.now)
				}
				if !errors.Is(err, catalog.ErrRefused) {
					t.Errorf("%s: %s: %v", name, data[max(0, bytes.Index(data, []byte("null"))-200):], err)
				}
			}
		}
	}
}

// relink puts a file in the place of another, with what names it signed anew by a
// thief of the online key.
func (w *world) relink(s *source, name string, data []byte) *source {
	w.Helper()
	s = s.with(name, data)
	if name == "2.targets.json" {
		name, data = "2.snapshot.json", w.forge((*s)["2.snapshot.json"], link("targets.json", 2, data), "online")
		s = s.with(name, data)
	}
	if name == "2.snapshot.json" {
		s = s.with("timestamp.json", w.forge((*s)["timestamp.json"], link("snapshot.json", 2, data), "online"))
	}
	return s
}

func TestNullBeforeAGenericClient(t *testing.T) {
	s := newSimulator(t)
	s.delegate(tufTargets, delegation("delegated", false, "*"), s.blankTargets())
	s.addArtifact("delegated", "file", []byte("contents"))
	s.addArtifact(tufTargets, "other", []byte("contents"))
	s.publish("delegated", tufTargets, tufSnapshot, tufTimestamp)
	s.client().mustDownload("file")
	for _, role := range []string{tufRoot, tufTimestamp, tufSnapshot, tufTargets, "delegated"} {
		good := s.newest(role)
		bad := nullable(t, good)
		for _, text := range notMetadata {
			bad = append(bad, []byte(text))
		}
		for _, data := range bad {
			var doc struct {
				Signed obj `json:"signed"`
			}
			if json.Unmarshal(data, &doc) == nil && doc.Signed != nil {
				kept := s.signed[role]
				s.signed[role] = doc.Signed
				data = s.sign(role)
				s.signed[role] = kept
			}
			s.published[role][len(s.published[role])-1] = data
			c := s.newClient()
			if err := catalog.InitGeneric(c.metadata, s.published[tufRoot][0]); err == nil {
				_ = c.download("file") // must only return
			}
			if c.version(role) != 0 && role != "delegated" && role != tufRoot && isNotMetadata(data) {
				t.Errorf("%s: %.200s is trusted", role, data)
			}
		}
		s.published[role][len(s.published[role])-1] = good
	}
}

func isNotMetadata(data []byte) bool {
	for _, text := range notMetadata {
		if text == string(data) {
			return true
		}
	}
	return false
}

// Whoever may sign a root, or a delegation, may still not disarm what checks it.
func TestThresholdsAndKeysThatDisarm(t *testing.T) {
	id := tufID(key("root").Public())
	short := strings.Repeat("ab", 31)
	edits := map[string]func(signed, role obj){
		"threshold 0":                     func(_, role obj) { role["threshold"] = 0 },
		"a negative threshold":            func(_, role obj) { role["threshold"] = -1 },
		"the smallest threshold":          func(_, role obj) { role["threshold"] = math.MinInt32 },
		"a threshold beyond its keys":     func(_, role obj) { role["threshold"] = 3 },
		"no keys":                         func(_, role obj) { role["keyids"] = []any{} },
		"null for keys":                   func(_, role obj) { role["keyids"] = nil },
		"a key that is not given":         func(_, role obj) { role["keyids"] = []any{strings.Repeat("0", 64)} },
		"one key twice":                   func(_, role obj) { role["keyids"], role["threshold"] = []any{id, id}, 2 },
		"a short key":                     func(signed, _ obj) { at(t, signed, "keys", id, "keyval")["public"] = short },
		"a long key":                      func(signed, _ obj) { at(t, signed, "keys", id, "keyval")["public"] = short + "abcdef" },
		"an empty key":                    func(signed, _ obj) { at(t, signed, "keys", id, "keyval")["public"] = "" },
		"a key that is no number":         func(signed, _ obj) { at(t, signed, "keys", id, "keyval")["public"] = strings.Repeat("xy", 32) },
		"another key under this ID":       func(signed, _ obj) { at(t, signed, "keys", id, "keyval")["public"] = strings.Repeat("ab", 32) },
		"one key under a second ID":       func(signed, role obj) { second(t, signed, role, id) },
		"another kind of key":             func(signed, _ obj) { at(t, signed, "keys", id)["keytype"] = "rsa" },
		"another scheme":                  func(signed, _ obj) { at(t, signed, "keys", id)["scheme"] = "none" },
		"more keys than anybody needs":    func(signed, role obj) { many(signed, role) },
		"a version beyond all, to strand": func(signed, _ obj) { signed["version"] = int64(math.MaxInt64) },
	}
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			root := w.forge(w.repo.Root(), func(signed map[string]any) {
				signed["version"] = 2
				edit(signed, at(t, signed, "roles", "root"))
			}, "root", "root2")
			c := w.mustClient(w.source().with("2.root.json", root))
			w.mustFail(c, catalog.ErrRefused, "")
			if _, err := w.repo.AcceptRoot(root, nil, w.now); !errors.Is(err, catalog.ErrRefused) {
				t.Errorf("the repository says %v", err)
			}
			if _, err := catalog.NewClient(t.TempDir(), root, nil); !errors.Is(err, catalog.ErrRefused) {
				t.Errorf("as a pinned root: %v", err)
			}
		})
	}
}

// second lists one key again under another ID, and wants two signatures.
func second(t *testing.T, signed, role obj, id string) {
	t.Helper()
	other := strings.Repeat("1", 64)
	signed["keys"].(obj)[other] = at(t, signed, "keys", id)
	role["keyids"], role["threshold"] = []any{id, other}, 2
}

func many(signed, role obj) {
	ids := role["keyids"].([]any)
	for i := range 200 {
		name := fmt.Sprintf("%064x", i)
		signed["keys"].(obj)[name] = obj{"keytype": "ed25519", "scheme": "ed25519", "keyval": obj{"public": fmt.Sprintf("%064x", i)}}
		ids = append(ids, name)
	}
	role["keyids"] = ids
}

func TestThresholdsAndKeysThatDisarmAGenericClient(t *testing.T) {
	tests := map[string]func(s *simulator){
		"threshold 0":          func(s *simulator) { s.role(tufTimestamp, tufRoot)["threshold"] = 0 },
		"a negative threshold": func(s *simulator) { s.role(tufTimestamp, tufRoot)["threshold"] = -1 },
		"a short Ed25519 key": func(s *simulator) {
			k := s.newKey(keyEd25519)
			k.public["keyval"] = obj{"public": "abcd"}
			s.addKey(tufTimestamp, tufRoot, k)
		},
		"one key under two IDs": func(s *simulator) {
			k := madeKeys()[keyECDSA][20]
			s.role(tufTimestamp, tufRoot)["keyids"], s.signers[tufTimestamp] = []any{}, nil
			s.addKey(tufTimestamp, tufRoot, makeKey(k, keyECDSA, nil))
			s.addKey(tufTimestamp, tufRoot, makeKey(k, keyECDSA, obj{"again": 1}))
			s.role(tufTimestamp, tufRoot)["threshold"] = 2
		},
		"the largest version": func(s *simulator) { s.signed[tufTimestamp]["version"] = int(math.MaxInt64) - 1 },
	}
	for name, edit := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSimulator(t)
			c := s.client()
			edit(s)
			s.publish(tufRoot, tufTimestamp)
			c.mustNotRefresh()
			if v := c.version(tufTimestamp); v != 0 {
				t.Errorf("timestamp %d is trusted", v)
			}
		})
	}
	delegations := map[string]func(d obj){
		"threshold 0":            func(d obj) { at(t, d, "roles", 0)["threshold"] = 0 },
		"a negative threshold":   func(d obj) { at(t, d, "roles", 0)["threshold"] = -7 },
		"a top-level role":       func(d obj) { at(t, d, "roles", 0)["name"] = tufRoot },
		"no name":                func(d obj) { at(t, d, "roles", 0)["name"] = "" },
		"one role twice":         func(d obj) { d["roles"] = append(d["roles"].([]any), d["roles"].([]any)[0]) },
		"2^64 bins":              func(d obj) { delete(d, "roles"); d["succinct_roles"] = bins(64) },
		"minus one bins":         func(d obj) { delete(d, "roles"); d["succinct_roles"] = bins(-1) },
		"paths and digests both": func(d obj) { at(t, d, "roles", 0)["path_hash_prefixes"] = []any{"3b"} },
	}
	for name, edit := range delegations {
		t.Run("a delegation with "+name, func(t *testing.T) {
			s := newSimulator(t)
			c := s.client()
			s.delegate(tufTargets, delegation("delegated", false, "*"), s.blankTargets())
			s.addArtifact("delegated", "file", []byte("contents"))
			edit(s.signed[tufTargets]["delegations"].(obj))
			s.publish("delegated", tufTargets, tufSnapshot, tufTimestamp)
			c.mustNotDownload("file")
			c.mustTrust(1, 2, 2, 0)
		})
	}
}

func bins(bits int) obj {
	return obj{"keyids": []any{strings.Repeat("0", 64)}, "threshold": 1, "bit_length": bits, "name_prefix": "bin"}
}

func TestAnEndlessTreeOfDelegations(t *testing.T) {
	s := newSimulator(t)
	c := s.client()
	k := s.newKey(keyECDSA)
	changed := []string{tufTargets}
	for i := range 100 {
		from, to := changed[i], fmt.Sprintf("deep-%d", i)
		s.signed[from]["delegations"] = obj{"keys": obj{k.id: k.public}, "roles": []any{obj{"name": to, "keyids": []any{k.id}, "threshold": 1, "terminating": false, "paths": []any{"*"}}}}
		s.signed[to] = s.blankTargets()
		s.addSigner(to, k)
		changed = append(changed, to)
	}
	s.addArtifact("deep-99", "file", []byte("contents"))
	s.publish(append(changed, tufSnapshot, tufTimestamp)...)
	c.mustNotDownload("file")
	if n := len(c.asked); n > 80 {
		t.Errorf("asked for %d files", n)
	}
}
