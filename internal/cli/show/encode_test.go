package show

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"

	"github.com/hotstick/hotstick/internal/plain"
)

func TestYAMLKeepsOrderAndNesting(t *testing.T) {
	value := struct {
		Name   string           `json:"name"`
		Level  int              `json:"level"`
		Empty  []string         `json:"empty"`
		None   map[string]int   `json:"none"`
		Waves  []map[string]any `json:"waves"`
		Nested [][]int          `json:"nested"`
		Null   *int             `json:"null"`
		Like   string           `json:"like"`
	}{Name: "unix ioctl", Level: 2, Empty: []string{}, None: map[string]int{}, Like: "true",
		Waves:  []map[string]any{{"a": 1, "b": []string{"x"}}, {"a": "12"}},
		Nested: [][]int{{1, 2}, {3}}}
	want := `name: unix ioctl
level: 2
empty: []
none: {}
waves:
  - a: 1
    b:
      - x
  - a: "12"
nested:
  - - 1
    - 2
  - - 3
"null": null
like: "true"
`
	var got bytes.Buffer
	if err := YAML(&got, value); err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		t.Errorf("YAML =\n%s\nwant\n%s", got.String(), want)
	}
}

func TestDocumentsCarryNoControlCharactersAndTheSameValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := map[string]string{}
		for i, s := range rapid.SliceOfN(rapid.String(), 1, 4).Draw(t, "strings") {
			in[string(rune('a'+i))+s] = s
		}
		for name, c := range map[string]struct {
			write func(*bytes.Buffer) error
			read  func([]byte, any) error
		}{
			"json": {func(b *bytes.Buffer) error { return JSON(b, in) }, json.Unmarshal},
			"yaml": {func(b *bytes.Buffer) error { return YAML(b, in) }, func(raw []byte, v any) error { return yaml.Unmarshal(raw, v) }},
		} {
			var doc bytes.Buffer
			if err := c.write(&doc); err != nil {
				t.Fatal(err)
			}
			if text := strings.ReplaceAll(doc.String(), "\n", ""); !plain.Is(text) {
				t.Fatalf("%s carries unsafe characters: %q", name, text)
			}
			var out map[string]string
			if err := c.read(doc.Bytes(), &out); err != nil {
				t.Fatalf("%s cannot be read back: %v\n%s", name, err, doc.String())
			}
			if !reflect.DeepEqual(in, out) {
				t.Fatalf("%s changed the value: %q, want %q\n%s", name, out, in, doc.String())
			}
		}
	})
}
