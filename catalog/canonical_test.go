package catalog_test

import (
	"encoding/json"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"pgregory.net/rapid"

	"github.com/hotstick/hotstick/catalog"
)

// Signatures are made over what the library writes, so ours must be the same bytes,
// however the document was written.
func TestTheCanonicalFormIsThatOfTheSignatures(t *testing.T) {
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		leaves := []*rapid.Generator[any]{
			rapid.Custom(func(t *rapid.T) any { return rapid.String().Draw(t, "text") }),
			rapid.Custom(func(t *rapid.T) any {
				return rapid.SampledFrom([]string{`a"b`, `\`, `\\"`, "<&>", "\u2028", "é😀", "\n\t\x00", "", " { , } "}).Draw(t, "hard text")
			}),
			rapid.Custom(func(t *rapid.T) any { return rapid.Int64().Draw(t, "number") }),
			rapid.Custom(func(t *rapid.T) any { return rapid.SampledFrom([]any{true, false, nil}).Draw(t, "word") }),
		}
		if depth > 0 {
			leaves = append(leaves,
				rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(value(depth-1), 0, 4).Draw(t, "list") }),
				rapid.Custom(func(t *rapid.T) any { return rapid.MapOfN(rapid.String(), value(depth-1), 0, 4).Draw(t, "object") }))
		}
		return rapid.OneOf(leaves...)
	}
	rapid.Check(t, func(t *rapid.T) {
		v := value(4).Draw(t, "value")
		want, err := cjson.EncodeCanonical(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, indent := range []string{"", "\t", "  "} {
			data, err := json.MarshalIndent(v, indent, indent)
			if err != nil {
				t.Fatal(err)
			}
			if got := catalog.Canonical(data); string(got) != string(want) {
				t.Fatalf("%s became %s, want %s", data, got, want)
			}
		}
	})
	for in, want := range map[string]string{
		`{"b":1,"a":{"d":[ ],"c":{ }}}`:           `{"a":{"c":{},"d":[]},"b":1}`,
		"{ \"\\u0062\" : 1 ,\n\"a\" :\t[1 , 2] }": `{"a":[1,2],"b":1}`,
		`{"a\/b":"\u00e9\n"}`:                     "{\"a/b\":\"é\n\"}",
	} {
		if got := catalog.Canonical([]byte(in)); string(got) != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}
