package strict

import (
	"strings"
	"testing"
)

func TestDecodeRefusesWhatItDoesNotKnow(t *testing.T) {
	type doc struct {
		A int      `yaml:"a"`
		B []string `yaml:"b"`
	}
	for _, c := range []struct{ what, in, want string }{
		{"good", "a: 1\n", ""},
		{"unknown key", "a: 1\nc: 2\n", `[2:1] unknown field "c"`},
		{"repeated key", "a: 1\na: 2\n", "already defined"},
		{"wrong type", "a: x\n", "[1:4]"},
		{"second document", "a: 1\n---\na: 2\n", "second YAML document"},
		{"empty", "", "empty YAML document"},
		{"too long", strings.Repeat("#", 200), "more than 100 bytes"},
		{"a tag that the parser panics on", "b: !00\n000000000:00", "malformed YAML document"},
	} {
		err := Decode([]byte(c.in), 100, new(doc))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", c.what, err, c.want)
		}
	}
}
