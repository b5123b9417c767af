package agent_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
)

func TestAConfigurationIsReadStrictly(t *testing.T) {
	for _, c := range []struct{ what, in, want string }{
		{"everything", "server: https://s:1\nstate: /x\nsocket: /y\nhostname: n\nlabels: {rack: a3}\nprobes:\n  - {name: web, command: [/bin/true], timeout_seconds: 3}\n", ""},
		{"nothing", "", ""},
		{"unknown key", "server: https://s:1\nserevr: x\n", "[2:1] unknown field \"serevr\""},
		{"unknown key in a probe", "probes:\n  - {name: web, command: [/bin/true], shell: true}\n", "unknown field \"shell\""},
		{"doubled key", "server: a\nserver: b\n", "already defined"},
		{"wrong type", "probes: 3\n", "[1:9]"},
		{"second document", "server: a\n---\nserver: b\n", "second YAML document"},
		{"too large", strings.Repeat("#", 1<<20+1), "more than"},
		{"label with markup", "labels: {\"<b>\": x}\n", "cannot use the label"},
		{"empty label", "labels: {rack: \"\"}\n", "cannot use the label"},
		{"probe by relative path", "probes:\n  - {name: web, command: [curl]}\n", "absolute path"},
		{"two probes of one name", "probes:\n  - {name: a, command: [/x]}\n  - {name: a, command: [/y]}\n", "two probes"},
		{"probe of an hour", "probes:\n  - {name: a, command: [/x], timeout_seconds: 3600}\n", "timeout"},
		{"probe of nothing", "probes:\n  - {name: web}\n", "want one of command, http, tcp and unit"},
		{"probe of two things", "probes:\n  - {name: web, tcp: \"a:1\", unit: a.service}\n", "want one of command, http, tcp and unit"},
		{"probe of each kind", "probes:\n  - {name: a, tcp: \"[::1]:80\"}\n  - {name: b, unit: \"getty@tty1.service\", every_seconds: 10}\n" +
			"  - {name: c, http: {url: \"https://a/b\", status: 204, contains: ok, certificate: \"sha256:" + strings.Repeat("ab", 32) + "\"}}\n", ""},
		{"address without a port", "probes:\n  - {name: a, tcp: localhost}\n", "HOST:PORT"},
		{"address with a word as port", "probes:\n  - {name: a, tcp: \"localhost:http\"}\n", "HOST:PORT"},
		{"unit without its kind", "probes:\n  - {name: a, unit: nginx}\n", "full name"},
		{"unit that is an option", "probes:\n  - {name: a, unit: \"--root=/x.service\"}\n", "full name"},
		{"page of a file", "probes:\n  - {name: a, http: {url: \"file:///etc/passwd\"}}\n", "url must be"},
		{"page with a password", "probes:\n  - {name: a, http: {url: \"http://u:p@a/\"}}\n", "password"},
		{"page with an unknown key", "probes:\n  - {name: a, http: {url: \"http://a/\", follow: true}}\n", "unknown field \"follow\""},
		{"page with a strange status", "probes:\n  - {name: a, http: {url: \"http://a/\", status: 99}}\n", "status is"},
		{"page by a certificate without TLS", "probes:\n  - {name: a, http: {url: \"http://a/\", certificate: x}}\n", "https"},
		{"page by a certificate that is no digest", "probes:\n  - {name: a, http: {url: \"https://a/\", certificate: x}}\n", "digest"},
		{"probe once a day", "probes:\n  - {name: a, command: [/x], every_seconds: 86400}\n", "asked every"},
		{"probe named like a built-in one", "probes:\n  - {name: fsync, command: [/x]}\n", "built-in"},
		{"built-in probes", "health: {every_seconds: 30, off: [modules, slab], limits: {fsync: 0.5, memory: 0.9}}\n", ""},
		{"built-in probe that does not exist", "health: {off: [fsnyc]}\n", "cannot switch off \"fsnyc\": the built-in probes are fsync, memory, modules"},
		{"limit of one that measures nothing", "health: {limits: {modules: 1}}\n", "cannot limit \"modules\""},
		{"limit that is none", "health: {limits: {fsync: .nan}}\n", "above 0"},
		{"limit below zero", "health: {limits: {fsync: -1}}\n", "above 0"},
		{"health with an unknown key", "health: {pressure: 1}\n", "unknown field"},
		{"facts kept back", "facts: {off: [sysctls, tracing, machine, services]}\n", ""},
		{"facts of an unknown group", "facts: {off: [sysctl]}\n", "cannot keep back the facts \"sysctl\": the groups that may be kept back are tracing, machine, services, sysctls"},
		{"facts that plans rest on", "facts: {off: [modules]}\n", "plans rest on them"},
		{"facts with an unknown key", "facts: {none: [sysctls]}\n", "unknown field \"none\""},
		{"mirrors", "mirrors:\n  - url: https://a/catalog\n  - url: https://10.0.0.9:8443\n    certificate: sha256:" + strings.Repeat("ab", 32) + "\n", ""},
		{"mirror that anybody can read along", "mirrors:\n  - url: http://a/catalog\n", "as a mirror"},
		{"mirror with a password", "mirrors:\n  - url: https://u:p@a/catalog\n", "cannot use a mirror"},
		{"mirror with a question", "mirrors:\n  - url: https://a/catalog?x=1\n", "cannot use a mirror"},
		{"mirror without an address", "mirrors:\n  - {certificate: x}\n", "as a mirror"},
		{"mirror by a certificate that is no digest", "mirrors:\n  - {url: \"https://a\", certificate: abc}\n", "certificate of the mirror"},
		{"one mirror twice", "mirrors:\n  - url: https://a/b\n  - url: https://a/b/\n", "twice"},
		{"nine mirrors", "mirrors:\n" + strings.Repeat("  - url: https://a\n", 9), "the limit is 8"},
		{"probe with spaces in its name", "probes:\n  - {name: \"a b\", command: [/x]}\n", "probe's name"},
	} {
		_, err := agent.ReadFile([]byte(c.in))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", c.what, err, c.want)
		}
	}
}

// TestEveryGroupOfFactsIsNeededOrMayBeKeptBack: a new group that is forgotten here would be
// called unknown.
func TestEveryGroupOfFactsIsNeededOrMayBeKeptBack(t *testing.T) {
	all := reflect.TypeFor[hotstick.Facts]()
	for i := range all.NumField() {
		group, _, _ := strings.Cut(all.Field(i).Tag.Get("json"), ",")
		_, err := agent.ReadFile([]byte("facts: {off: [" + group + "]}\n"))
		if known := err == nil || strings.Contains(err.Error(), "plans rest on them"); !known && group != "withheld" {
			t.Errorf("%s: %v", group, err)
		}
	}
	file, err := agent.ReadFile([]byte("facts: {off: [tracing, machine, tracing]}\n"))
	if got := file.Facts.Withheld(); err != nil || !slices.Equal(got, []string{"machine", "tracing"}) {
		t.Errorf("kept back are %v, %v", got, err)
	}
}

func TestAnErrorShowsTheLine(t *testing.T) {
	_, err := agent.ReadFile([]byte("server: https://s:1\nprobs:\n  - 1\n"))
	if err == nil || !strings.Contains(err.Error(), ">  2 | probs:") || !strings.Contains(err.Error(), "^") {
		t.Errorf("error is %v, want the line and a caret", err)
	}
}

func FuzzReadFile(f *testing.F) {
	f.Add("b: !00\n000000000:00") // a tag that the parser panics on
	f.Add("server: https://s:1\nprobes:\n  - {name: a, command: [/x]}\n")
	f.Fuzz(func(t *testing.T, text string) {
		if file, err := agent.ReadFile([]byte(text)); err == nil && file.Validate() != nil {
			t.Errorf("%q is read and does not validate", text)
		}
	})
}
