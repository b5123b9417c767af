package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
)

func selectorHost() Host {
	facts := &hotstick.Facts{
		Kernel: hotstick.KernelFacts{Build: hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "0011223344556677"}},
		Host:   hotstick.HostFacts{Distribution: "Debian GNU/Linux 12"},
		Labels: map[string]string{"role": "db", "rack": "a3"},
	}
	return NewHost("h-aaaaaaaaaaaaaaaa", "db-1", facts, hotstick.PatchRef{Name: "unix-ioctl", Level: 2})
}

func TestSelectors(t *testing.T) {
	tests := []struct {
		expression string
		want       bool
	}{
		{`true`, true},
		{`false`, false},
		{`host.labels.role == "db"`, true},
		{`host.labels.role == "web"`, false},
		{`host.labels["rack"] in ["a3", "a4"]`, true},
		{`host.name.startsWith("db-") && host.arch == "x86_64"`, true},
		{`host.release.matches("^6\\.1\\.")`, true},
		{`host.in_effect.name == "unix-ioctl" && host.in_effect.level < 3`, true},
		{`host.distribution.contains("Debian")`, true},
		{`host.build_id == "0011223344556677"`, true},
		{`host.id == "h-aaaaaaaaaaaaaaaa"`, true},
		// A label that the host does not have selects nothing, whichever way it is asked.
		{`host.labels.zone == "a"`, false},
		{`host.labels.zone != "a"`, false},
		{`!(host.labels.zone == "a")`, false},
		{`"zone" in host.labels`, false},
	}
	for _, tt := range tests {
		s, err := CompileSelector(tt.expression)
		if err != nil {
			t.Errorf("%s: %v", tt.expression, err)
			continue
		}
		if got, err := s.Matches(selectorHost()); err != nil || got != tt.want {
			t.Errorf("%s = %v, %v; want %v", tt.expression, got, err, tt.want)
		}
	}
}

func TestSelectorsThatAreRefused(t *testing.T) {
	tests := []struct {
		expression string
		line, col  int
		says       string
	}{
		{``, 0, 0, "empty is never all"},
		{"  \n", 0, 0, "empty is never all"},
		{`host.lables.role == "db"`, 1, 5, "undefined field 'lables'"},
		{`host.name = "db-1"`, 1, 11, "token recognition error"},
		{"host.name == \"a\" &&\n  hots.name == \"b\"", 2, 3, "undeclared reference to 'hots'"},
		{`host.name`, 0, 0, "must be true or false"},
		{`host.in_effect.level == "2"`, 1, 22, "no matching overload"},
		{strings.Repeat("(", 5000), 0, 0, "longer than"},
	}
	for _, tt := range tests {
		_, err := CompileSelector(tt.expression)
		var bad *SelectorError
		if !errors.As(err, &bad) {
			t.Errorf("%.40q: got %v, want a SelectorError", tt.expression, err)
			continue
		}
		if bad.Line != tt.line || bad.Column != tt.col || !strings.Contains(bad.Message, tt.says) {
			t.Errorf("%.40q: got %d:%d %q, want %d:%d %q", tt.expression, bad.Line, bad.Column, bad.Message, tt.line, tt.col, tt.says)
		}
	}
}

func TestASelectorThatCostsTooMuchIsAnErrorAndSelectsNothing(t *testing.T) {
	nest := `[1,2,3,4,5,6,7,8,9,10]`
	s, err := CompileSelector(nest + `.all(a, ` + nest + `.all(b, ` + nest + `.all(c, ` + nest + `.all(d, a+b+c+d > 0))))`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Matches(selectorHost()); err == nil || got {
		t.Errorf("got %v, %v; want an error", got, err)
	}
}
