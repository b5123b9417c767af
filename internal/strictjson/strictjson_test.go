package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/strictjson"
)

type inner struct {
	N int `json:"n"`
}

type embedded struct {
	Shared string `json:"shared"`
	Name   string `json:"name"` // hidden by document.Name
}

type document struct {
	embedded
	Name  string            `json:"name"`
	List  []inner           `json:"list,omitempty"`
	Map   map[string]inner  `json:"map,omitempty"`
	Raw   json.RawMessage   `json:"raw,omitempty"`
	Any   any               `json:"any,omitempty"`
	At    time.Time         `json:"at"`
	Self  *document         `json:"self,omitempty"`
	Bytes []byte            `json:"bytes,omitempty"`
	Texts map[string]string `json:"texts,omitempty"`
	Bare  bool
	Gone  string `json:"-"`
	//lint:ignore U1000 an unexported field is no key, whatever the document says
	quiet string
}

func TestUnmarshalTakesWhatTheEncoderWrites(t *testing.T) {
	in := document{Name: "a\"b\u2028", List: []inner{{1}, {2}}, Map: map[string]inner{"x": {3}, "": {4}},
		Raw: json.RawMessage(`{"a":[1,-2.5e3,null,true]}`), At: time.Unix(1e9, 0).UTC(), Bytes: []byte{1, 2},
		Self: &document{Name: "deeper"}, Bare: true}
	in.Shared = "from the embedded struct"
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out document
	if err := strictjson.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(in, out) {
		t.Errorf("%+v came back as %+v", in, out)
	}
	var empty document
	if err := strictjson.Unmarshal([]byte(" {\n\t\"list\": null, \"map\":null, \"self\": null, \"raw\": null, \"any\": {\"any\": [[]]} }\r\n"), &empty); err != nil {
		t.Error(err)
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	tests := []struct{ name, in, why string }{
		{"an unknown field", `{"nobody":1}`, "unknown field"},
		{"a field in another case", `{"Name":"x"}`, "unknown field"},
		{"a field that is hidden", `{"Gone":"x"}`, "unknown field"},
		{"a field that is unexported", `{"quiet":"x"}`, "unknown field"},
		{"an unknown field below", `{"list":[{"n":1},{"m":1}]}`, "unknown field"},
		{"an unknown field in a map's value", `{"map":{"x":{"m":1}}}`, "unknown field"},
		{"an unknown field behind a pointer", `{"self":{"self":{"m":1}}}`, "unknown field"},
		{"a field twice", `{"name":"x","name":"y"}`, "twice"},
		{"a field twice, once escaped", `{"name":"x","\u006eame":"y"}`, "twice"},
		{"a map's key twice", `{"map":{"x":{"n":1},"x":{"n":2}}}`, "twice"},
		{"a key twice in a raw part", `{"raw":{"x":1,"x":2}}`, "twice"},
		{"a key twice deep in anything", `{"any":[[{"x":[{"y":1,"y":1}]}]]}`, "twice"},
		{"the twentieth key twice", `{"texts":{` + manyKeys(20) + `,"k3":""}}`, "twice"},
		{"bytes that are not UTF-8", "{\"name\":\"\xff\"}", "UTF-8"},
		{"half a surrogate pair", `{"name":"\ud800"}`, "surrogate"},
		{"the other half", `{"name":"\udc00"}`, "surrogate"},
		{"two first halves", `{"name":"\ud800\ud800"}`, "surrogate"},
		{"half a pair at the end", `{"name":"\ud800\u`, "surrogate"},
		{"a second value", `{} {}`, "follow"},
		{"trailing bytes", `{}x`, "follow"},
		{"a trailing comma", `{"name":"x",}`, "want a key"},
		{"null for a string", `{"name":null}`, "null"},
		{"null for a struct", `{"list":[null]}`, "null"},
		{"null for all", `null`, "null"},
		{"nothing", ``, "too early"},
		{"half an object", `{"name":`, "too early"},
		{"half a string", `{"name":"x`, "no end"},
		{"a string for a number", `{"list":[{"n":"1"}]}`, "want int"},
		{"a fraction for a whole number", `{"list":[{"n":1.5}]}`, "want int"},
		{"a number beyond its type", `{"list":[{"n":99999999999999999999}]}`, "want int"},
		{"an array for an object", `[]`, "want strictjson_test.document"},
		{"a word that is none", `{"Bare":yes}`, "invalid"},
		{"a control character", "{\"name\":\"\x01\"}", "invalid"},
		{"a byte order mark", "\ufeff{}", "unexpected"},
		{"a comment", `{/**/}`, "want a key"},
		{"a bomb", strings.Repeat(`{"self":`, 100_000), "deeper"},
		{"a bomb of arrays", `{"any":` + strings.Repeat(`[`, 100_000), "deeper"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var d document
			err := strictjson.Unmarshal([]byte(test.in), &d)
			if err == nil || !strings.Contains(err.Error(), test.why) {
				t.Errorf("%.60s: got %v, want an error with %q", test.in, err, test.why)
			}
			if err != nil && len(err.Error()) > 300 {
				t.Errorf("the error repeats the input: %d bytes", len(err.Error()))
			}
		})
	}
}

func manyKeys(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf(`"k%d":""`, i))
	}
	return strings.Join(parts, ",")
}

func TestManyDifferentKeysAreTaken(t *testing.T) {
	var d document
	if err := strictjson.Unmarshal([]byte(`{"texts":{`+manyKeys(1000)+`}}`), &d); err != nil || len(d.Texts) != 1000 {
		t.Errorf("%d keys, %v", len(d.Texts), err)
	}
}

func TestErrorsDoNotRepeatTheInput(t *testing.T) {
	var d document
	for _, in := range []string{
		`{"list":[{"n":` + strings.Repeat("9", 10_000) + `}]}`,
		`{"` + strings.Repeat("x", 10_000) + `":1}`,
		`{"at":"` + strings.Repeat("y", 10_000) + `"}`,
	} {
		if err := strictjson.Unmarshal([]byte(in), &d); err == nil || len(err.Error()) > 300 {
			t.Errorf("%.30s: an error of %d bytes", in, len(err.Error()))
		}
	}
}

func TestDecodeStopsAtItsLimit(t *testing.T) {
	doc := `{"name":"x"}`
	var d document
	if err := strictjson.Decode(strings.NewReader(doc), int64(len(doc)), &d); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if err := strictjson.Decode(strings.NewReader(doc), int64(len(doc))-1, &d); !errors.Is(err, strictjson.ErrTooLarge) {
		t.Errorf("above the limit: %v", err)
	}
	endless := endlessReader{}
	if err := strictjson.Decode(&endless, 1000, &d); !errors.Is(err, strictjson.ErrTooLarge) {
		t.Errorf("an endless document: %v", err)
	}
	if endless.read > 1<<20 {
		t.Errorf("%d bytes of an endless document were read", endless.read)
	}
}

type endlessReader struct{ read int }

func (r *endlessReader) Read(p []byte) (int, error) {
	r.read += len(p)
	return copy(p, bytes.Repeat([]byte(" "), len(p))), nil
}

func TestCheckLooksAtTheFormOnly(t *testing.T) {
	for in, ok := range map[string]bool{
		`{"a":1,"A":null}`: true, `[1,2,"x"]`: true, `null`: true,
		`{"a":1,"a":1}`: false, `{"a":{"b":1,"b":1}}`: false, `{"a":01}`: false, `[1,]`: false, `tru`: false, "\"\xff\"": false,
	} {
		if err := strictjson.Check([]byte(in)); (err == nil) != ok {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestUnmarshalWantsAPointer(t *testing.T) {
	for _, v := range []any{nil, document{}, 1} {
		if err := strictjson.Unmarshal([]byte(`{}`), v); err == nil {
			t.Errorf("%T was taken", v)
		}
	}
}

// Whatever is taken must read back to itself: if the standard decoder and the
// walker disagreed on what a document says, re-encoding would show it.
func FuzzUnmarshal(f *testing.F) {
	for _, s := range []string{`{"name":"x","list":[{"n":1}],"map":{"a":{"n":2}},"raw":{"x":[1]},"any":null,"self":{"name":"y"}}`,
		`{"name":"\ud83d\ude00"}`, `{"name":"x","name":"y"}`, `{"Name":1}`, `[[]]`, "\xff", `{"texts":{"a":"b","\u0061":""}}`, `{"at":"2026-01-01T00:00:00Z"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var d document
		if strictjson.Unmarshal(data, &d) != nil {
			return
		}
		if err := strictjson.Check(data); err != nil {
			t.Fatalf("taken, yet malformed: %v", err)
		}
		var loose document
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&loose); err != nil {
			t.Fatalf("taken, yet the standard decoder says: %v", err)
		}
		if !reflect.DeepEqual(d, loose) {
			t.Fatalf("%+v and %+v from one document", d, loose)
		}
	})
}

func BenchmarkUnmarshal(b *testing.B) {
	in := document{Name: "host", List: make([]inner, 50), Texts: map[string]string{"rack": "a", "role": "b"}}
	data, err := json.Marshal(in)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("strict", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var d document
			if err := strictjson.Unmarshal(data, &d); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("standard", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var d document
			if err := json.Unmarshal(data, &d); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestForeignDocumentsMayHaveMoreKeysButNoDoubtfulOnes(t *testing.T) {
	type inner struct {
		Version string `json:"version"`
	}
	var v struct {
		ID   string  `json:"id"`
		List []inner `json:"list"`
	}
	const limit = 1 << 20
	if err := strictjson.UnmarshalForeign([]byte(`{"more":{"id":null,"x":[1]},"id":"a","list":[{"version":"1","new":{}}]}`), limit, &v); err != nil || v.ID != "a" || v.List[0].Version != "1" {
		t.Fatalf("%+v, %v", v, err)
	}
	for what, text := range map[string]string{
		"a field twice":                     `{"id":"a","id":"b"}`,
		"a field in other letters":          `{"id":"a","ID":"b"}`,
		"a field in other letters, alone":   `{"Id":"b"}`,
		"a field with a long s":             `{"li\u017ft":[]}`,
		"one inside":                        `{"list":[{"Version":"2"}]}`,
		"a foreign key twice":               `{"id":"a","more":1,"more":2}`,
		"a key twice in a foreign part":     `{"id":"a","more":{"x":1,"x":2}}`,
		"nested too deep in a foreign part": `{"more":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
		"null for a string":                 `{"id":null}`,
		"too many elements":                 `{"list":[` + strings.Repeat("{},", 1<<17) + `{}]}`,
		"too many foreign keys":             `{"more":{` + manyKeys(1 << 16)[1:] + `}`,
		"something behind":                  `{} {}`,
	} {
		if err := strictjson.UnmarshalForeign([]byte(text), limit, &v); err == nil {
			t.Errorf("%s: it was taken", what)
		}
	}
}
