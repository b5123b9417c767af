package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// patchManifest is what this test looks at in a manifest.
type patchManifest struct {
	Name      string
	Level     int
	CVEs      []string
	Driver    string
	Replace   bool
	Functions []struct{ Object, Name string }
	Check     string
	Probe     string
	License   string
}

var oldName = regexp.MustCompile(`\.old_name = "([a-z0-9_]+)"`)

func TestManifestsSayWhatTheSourcesDo(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join(patchesDir, "*", "manifest.yaml"))
	if err != nil || len(folders) < 4 {
		t.Fatalf("found %d patches, %v", len(folders), err)
	}
	for _, path := range folders {
		folder := filepath.Dir(path)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var m patchManifest
			if err := yaml.Unmarshal(data, &m); err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("%s-%d", m.Name, m.Level); filepath.Base(folder) != want {
				t.Errorf("the folder is not named %s", want)
			}
			if m.Driver != "klp" || !m.Replace || m.License != "GPL-2.0" {
				t.Errorf("driver %s, replace %v, license %s", m.Driver, m.Replace, m.License)
			}
			module := fmt.Sprintf("hotstick_%s_%d", strings.ReplaceAll(m.Name, "-", "_"), m.Level)
			if kbuild := mustRead(t, filepath.Join(folder, "Kbuild")); strings.TrimSpace(kbuild) != "obj-m := "+module+".o" {
				t.Errorf("Kbuild says %q instead of building %s", kbuild, module)
			}
			for _, name := range append([]string{"README.md"}, present(m.Check, m.Probe)...) {
				if text := mustRead(t, filepath.Join(folder, name)); text == "" {
					t.Errorf("%s is empty", name)
				}
			}
			source := mustReadWithIncludes(t, filepath.Join(folder, module+".c"))
			var patched, listed []string
			for _, match := range oldName.FindAllStringSubmatch(source, -1) {
				patched = append(patched, match[1])
			}
			for _, f := range m.Functions {
				listed = append(listed, f.Name)
				if f.Object != "vmlinux" && !strings.Contains(source, `"`+f.Object+`"`) {
					t.Errorf("the source does not patch the module %s", f.Object)
				}
			}
			if strings.Join(patched, " ") != strings.Join(listed, " ") {
				t.Errorf("the source replaces %q, the manifest lists %q", patched, listed)
			}
			readme := mustRead(t, filepath.Join(patchesDir, "README.md"))
			for _, name := range append([]string{"`" + filepath.Base(folder) + "`"}, m.CVEs...) {
				if !strings.Contains(readme, name) {
					t.Errorf("the patches' README does not name %s", name)
				}
			}
		})
	}
}

func present(names ...string) []string {
	var out []string
	for _, n := range names {
		if n != "" {
			out = append(out, n)
		}
	}
	return out
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var ownInclude = regexp.MustCompile(`#include "([^"]+)"`)

// mustReadWithIncludes reads a C file and what it includes by relative path.
func mustReadWithIncludes(t *testing.T, path string) string {
	t.Helper()
	text := mustRead(t, path)
	if !strings.HasPrefix(text, "// SPDX-License-Identifier: GPL-2.0\n") && !strings.HasPrefix(text, "/* SPDX-License-Identifier: GPL-2.0 */\n") {
		t.Errorf("%s does not say that it is GPL-2.0", path)
	}
	for _, match := range ownInclude.FindAllStringSubmatch(text, -1) {
		text += mustReadWithIncludes(t, filepath.Join(filepath.Dir(path), match[1]))
	}
	return text
}
