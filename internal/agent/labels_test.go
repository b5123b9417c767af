package agent_test

import (
	"maps"
	"strings"
	"testing"
)

func TestAHostKeepsTheLabelsOfItsJoinLine(t *testing.T) {
	o := newOffice(t)
	home, _ := newHome(t)
	join := o.join()
	join.Labels, join.Configured = map[string]string{"site": "a"}, map[string]string{"role": "db"}
	if err := home.Enrol(t.Context(), join, "n1"); err != nil {
		t.Fatal(err)
	}
	if want := (map[string]string{"site": "a", "role": "db"}); !maps.Equal(o.labels, want) {
		t.Errorf("the server was told %v, want %v", o.labels, want)
	}
	for _, tt := range []struct {
		name       string
		configured map[string]string
		want       map[string]string
	}{
		{"the file says nothing", nil, map[string]string{"site": "a"}},
		{"the file says something else now", map[string]string{"role": "web"}, map[string]string{"site": "a", "role": "web"}},
		{"the file says the same", map[string]string{"site": "a"}, map[string]string{"site": "a"}},
		{"the file contradicts the join line", map[string]string{"site": "b"}, nil},
	} {
		got, err := home.Labels(tt.configured)
		if (err == nil) != (tt.want != nil) || !maps.Equal(got, tt.want) {
			t.Errorf("%s: %v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestAJoinLineThatContradictsTheConfigurationSendsNothing(t *testing.T) {
	o := newOffice(t)
	home, _ := newHome(t)
	join := o.join()
	join.Labels, join.Configured = map[string]string{"site": "a"}, map[string]string{"site": "b"}
	if err := home.Enrol(t.Context(), join, "n1"); err == nil || !strings.Contains(err.Error(), `the join line says "a" and the configuration file "b"`) {
		t.Errorf("error is %v", err)
	}
	if len(o.tokens) != 0 {
		t.Error("the token was sent")
	}
}
