package loadercmd

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick/internal/agent"
)

func TestTheLoaderReadsTheLabelsThatTheAgentReads(t *testing.T) {
	for _, c := range []struct {
		what, text string
		want       map[string]string
	}{
		{"nothing", "", nil},
		{"no labels", "server: https://hotstick.example:7443\n", nil},
		{"labels", "labels:\n  rack: a3\n  role: db\n", map[string]string{"rack": "a3", "role": "db"}},
		{"all there is", "# this host\n---\n", nil},
		{"between other settings", "server: https://h:7443\nlabels:  # where it is\n  rack: a3 # third row\n\n  # what it does\n  role: \"data base\"\n" +
			"probes:\n  - name: web\n    command: [/bin/true]\n", map[string]string{"rack": "a3", "role": "data base"}},
		{"below a list that is not indented", "probes:\n- name: web\n  command: [/bin/true]\nlabels:\n    rack: '3'\n", map[string]string{"rack": "3"}},
		{"with carriage returns", "labels:\r\n  rack: a3\r\n", map[string]string{"rack": "a3"}},
		{"numbers in quotes", "labels:\n  rack: \"12\"\n  row: '007'\n", map[string]string{"rack": "12", "row": "007"}},
		{"a document's start", "---\nlabels:\n  a: b\n", map[string]string{"a": "b"}},
	} {
		got, err := parseLabels(c.text)
		if strings.HasPrefix(c.text, "# this host") {
			if err == nil {
				t.Errorf("%s: read as %v", c.what, got)
			}
			continue
		}
		if err != nil || !maps.Equal(got, c.want) {
			t.Errorf("%s: read %v, %v; want %v", c.what, got, err, c.want)
		}
		file, err := agent.ReadFile([]byte(c.text))
		if err != nil || !maps.Equal(file.Labels, c.want) {
			t.Errorf("%s: the agent read %v, %v", c.what, file.Labels, err)
		}
	}
}

func TestLabelsThatAreNotPlainAreRefused(t *testing.T) {
	for _, entry := range []string{"rack: 3", "rack: true", "rack: ~", "rack: &a x", "rack: *a", "rack: |", "rack:\n    a: b", "rack: [a]", "rack: {a: b}",
		`rack: "a\tb"`, "rack: 'it''s'", "rack: a: b", "rack: a#b", "Rack: a3", "rack : a3", "? rack", "rack: a3\n   row: b", "rack: a3\n  rack: a3", "rack:", "rack: \"\"", "- rack", "<<: a", "rack: !!str 3", "\track: a3"} {
		if got, err := parseLabels("labels:\n  " + entry + "\n"); err == nil {
			t.Errorf("%q was read as %v", entry, got)
		}
	}
	for _, text := range []string{"labels: {rack: a3}\n", "labels:\n  a: b\nlabels:\n  c: d\n", "{labels: {a: b}}\n", "\"labels\":\n  a: b\n", "%YAML 1.2\n---\nlabels:\n  a: b\n", "labels:\n  a: b\n...\n", "\tlabels:\n"} {
		if got, err := parseLabels(text); err == nil && len(got) > 0 {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

// Whatever the loader makes of a file's labels, the agent makes the same of it.
func TestTheLoaderNeverReadsOtherLabelsThanTheAgent(t *testing.T) {
	start := rapid.SampledFrom([]string{"", "---", "# c", "server: https://h:1", "hostname: n1 # x", "probes: []", "labels:"})
	entry := rapid.OneOf(
		rapid.StringMatching(`  [a-e]{1,2}: ["']?[a-zA-Z0-9 #:.~/_-]{0,5}["']?( # x)?`),
		rapid.StringMatching(`  [a-e]{1,2}: [a-zA-Z0-9._/-]{1,4}`),
		rapid.SampledFrom([]string{"", "# c", "    # c", "...", "- a", "   a: x", "  a: x\n   y", "socket: /s", "  b: \"1", "  b: '\""}))
	agree := 0
	rapid.Check(t, func(t *rapid.T) {
		text := start.Draw(t, "start") + "\nlabels:\n" + strings.Join(rapid.SliceOfN(entry, 1, 4).Draw(t, "entries"), "\n")
		labels, err := parseLabels(text)
		if err != nil || len(labels) == 0 {
			return
		}
		file, err := agent.ReadFile([]byte(text))
		if err != nil {
			return // the agent does not start with such a file
		}
		agree++
		if !maps.Equal(labels, file.Labels) {
			t.Errorf("the loader reads %q and the agent %q", labels, file.Labels)
		}
	})
	if agree == 0 {
		t.Error("not one file was read by both")
	}
}

func TestOnlyAFileThatTheAgentCannotWriteSpeaksForTheHost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.yaml")
	if labels, err := ownLabels(path); err != nil || len(labels) != 0 {
		t.Errorf("without a file: %v, %v", labels, err)
	}
	if err := os.WriteFile(path, []byte("labels:\n  rack: a3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if labels, err := ownLabels(path); err != nil || labels["rack"] != "a3" {
		t.Errorf("read %v, %v", labels, err)
	}
	for _, mode := range []os.FileMode{0o664, 0o646, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if labels, err := ownLabels(path); err == nil {
			t.Errorf("a file of mode %o was believed: %v", mode, labels)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if labels, err := ownLabels(path); err == nil {
			t.Errorf("a file of somebody else was believed: %v", labels)
		}
	}
	if _, err := ownLabels(t.TempDir()); err == nil {
		t.Error("a directory was believed")
	}
}
