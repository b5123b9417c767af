package winhost_test

import (
	"archive/zip"
	"bytes"
	"debug/pe"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// zipped makes the zip that is shipped, and returns its files.
func zipped(t *testing.T) map[string][]byte {
	t.Helper()
	build := exec.Command("make", "-s", "dist-windows", "VERSION=9.8.7-test")
	build.Dir = "../.."
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot make the zip: %v\n%s", err, said)
	}
	r, err := zip.OpenReader("../../bin/hotstick-agent-windows.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	files := map[string][]byte{}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = data
	}
	return files
}

func TestTheZipHasWhatAnInstallationNeeds(t *testing.T) {
	if os.Getenv("HOTSTICK_WINE") == "" {
		t.Skip("builds the Windows program; set HOTSTICK_WINE=1, or run make windows")
	}
	files := zipped(t)
	if names := slices.Sorted(maps.Keys(files)); !slices.Equal(names, []string{"LICENSE", "README.txt", "hotstick-agent.exe", "install.ps1"}) {
		t.Fatalf("the zip has %v", names)
	}
	exe, err := pe.NewFile(bytes.NewReader(files["hotstick-agent.exe"]))
	if err != nil {
		t.Fatal(err)
	}
	if header, is := exe.OptionalHeader.(*pe.OptionalHeader64); exe.Machine != pe.IMAGE_FILE_MACHINE_AMD64 || !is || header.Subsystem != pe.IMAGE_SUBSYSTEM_WINDOWS_CUI {
		t.Errorf("the program is for machine %#x", exe.Machine)
	}
	if !bytes.Contains(files["hotstick-agent.exe"], []byte("9.8.7-test")) {
		t.Error("the program does not say which version it is")
	}
	if libraries, err := exe.ImportedLibraries(); err != nil || slices.ContainsFunc(libraries, func(l string) bool { return !strings.EqualFold(l, "kernel32.dll") }) {
		t.Errorf("the program rests on %v (%v)", libraries, err)
	}
	usage, err := os.ReadFile("main_windows.go")
	if err != nil {
		t.Fatal(err)
	}
	script, readme := string(files["install.ps1"]), string(files["README.txt"])
	calls := regexp.MustCompile(`& \$program ([a-z-]+)|hotstick-agent\.exe"? ([a-z-]+)`).FindAllStringSubmatch(script+readme, -1)
	if len(calls) < 7 {
		t.Errorf("script and README call the program %d times", len(calls))
	}
	for _, c := range calls {
		if verb := c[1] + c[2]; !strings.Contains(string(usage), "\n  hotstick-agent "+verb) {
			t.Errorf("what is shipped says %q, and the program has no %s", c[0], verb)
		}
	}
	for what, text := range map[string]string{"install.ps1": script, "README.txt": readme} {
		if !strings.Contains(strings.ToLower(strings.Join(strings.Fields(strings.ReplaceAll(text, "#", "")), " ")), "never run on a real windows") {
			t.Errorf("%s does not say that it was never run on a real Windows", what)
		}
	}
	for _, flag := range []string{"Server", "Token", "Ca", "Root"} {
		if !strings.Contains(script, "--"+strings.ToLower(flag)+" $"+flag) || !strings.Contains(readme, "-"+flag+" ") {
			t.Errorf("the value of %s does not come from the command line to the program", flag)
		}
	}
}
