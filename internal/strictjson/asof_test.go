package strictjson_test

import (
	"testing"

	"github.com/hotstick/hotstick/internal/strictjson"
)

type nested struct {
	Old int  `json:"old"`
	New *int `json:"new,omitempty" since:"3"`
}

type grown struct {
	Name  string            `json:"name"`
	List  []nested          `json:"list,omitempty"`
	Map   map[string]nested `json:"map,omitempty"`
	One   *nested           `json:"one,omitempty"`
	Later string            `json:"later,omitempty" since:"2"`
	kept  int
}

func TestNewerFieldsAreLeftOutForOlderReaders(t *testing.T) {
	n := 7
	v := grown{Name: "x", List: []nested{{1, &n}}, Map: map[string]nested{"a": {2, &n}}, One: &nested{3, &n}, Later: "y", kept: 1}
	for _, c := range []struct {
		version int
		want    string
	}{
		{1, `{"name":"x","list":[{"old":1}],"map":{"a":{"old":2}},"one":{"old":3}}`},
		{2, `{"name":"x","list":[{"old":1}],"map":{"a":{"old":2}},"one":{"old":3},"later":"y"}`},
		{3, `{"name":"x","list":[{"old":1,"new":7}],"map":{"a":{"old":2,"new":7}},"one":{"old":3,"new":7},"later":"y"}`},
	} {
		got, err := strictjson.MarshalAsOf(&v, c.version)
		if err != nil || string(got) != c.want {
			t.Errorf("as of %d: %s, %v; want %s", c.version, got, err, c.want)
		}
	}
	if v.List[0].New != &n || v.One.New != &n || v.Later != "y" || v.kept != 1 {
		t.Error("the value itself was changed")
	}
}
