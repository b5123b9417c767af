package rebootstep

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// recorded answers as a package manager has been seen to, or is documented to: by the
// beginning of a command.
type recorded struct {
	answers map[string]driver.Ran
	// there is what rpm and dpkg-query say of the package once installed is set.
	there driver.Ran
	ran   []string
}

func (r *recorded) Run(_ context.Context, argv ...string) (driver.Ran, error) {
	line := strings.Join(argv, " ")
	r.ran = append(r.ran, line)
	for begins, answer := range r.answers {
		if strings.HasPrefix(line, begins) {
			if strings.Contains(line, " install ") && answer.Stderr == "" {
				r.answers["rpm -q"] = r.there
			}
			return answer, nil
		}
	}
	return driver.Ran{}, driver.ErrNoProgram
}

// What dnf 4 and dnf 5 say without the plugin, and dnf 4 of what its configuration excludes.
const (
	noVersionlock4 = "No such command: versionlock. Please use /usr/bin/dnf --help\nIt could be a DNF plugin command, try: \"dnf install 'dnf-command(versionlock)'\"\n"
	noVersionlock5 = "Unknown argument \"versionlock\" for command \"dnf5\". Add \"--help\" for more information about the arguments.\n"
	excluded       = "All matches were filtered out by exclude filtering for argument: kernel-core-5.14.0-427.el9\n"
)

// zypperLocks is the table of zypper locks.
const zypperLocks = "\n# | Name            | Type    | Repository | Comment\n--+-----------------+---------+------------+--------\n"

func TestPackageManagersAreReadAsTheyWrite(t *testing.T) {
	missing := driver.Ran{Code: 1, Stdout: "package is not installed\n"}
	for _, c := range []struct {
		name, program string
		answers       map[string]driver.Ran
		want          string
		// says is in the refusal, and runs is what was run at last.
		says, runs string
	}{
		{name: "dnf, nothing locked", program: "dnf", answers: map[string]driver.Ran{"dnf -q versionlock": {}, "dnf -y": {Stdout: "Complete!\n"}},
			runs: "dnf -y --setopt=installonly_limit=0 install kernel-core-5.14.0-427.el9"},
		{name: "dnf 4 without its plugin", program: "dnf", answers: map[string]driver.Ran{"dnf -q versionlock": {Code: 1, Stderr: noVersionlock4}, "dnf -y": {}}},
		{name: "dnf 5 without its plugin", program: "dnf", answers: map[string]driver.Ran{"dnf -q versionlock": {Code: 2, Stderr: noVersionlock5}, "dnf -y": {}}},
		{name: "dnf that cannot tell", program: "dnf", answers: map[string]driver.Ran{"dnf -q versionlock": {Code: 1, Stderr: "Error: Failed to load plugin config"}}, want: "tool_failed"},
		{name: "dnf, locked to another version", program: "dnf", answers: map[string]driver.Ran{
			"dnf -q versionlock": {Stdout: "kernel-core-0:5.14.0-362.8.1.el9_3.*\nbash-0:5.1.8-6.el9.*\n"}}, want: "inhibited",
			says: "kernel-core is held back on the host by kernel-core-0:5.14.0-362.8.1.el9_3.* (dnf -q versionlock list)"},
		{name: "dnf, locked to this version too", program: "dnf", answers: map[string]driver.Ran{
			"dnf -q versionlock": {Stdout: "kernel-core-0:5.14.0-362.8.1.el9_3.*\nkernel-core-0:5.14.0-427.el9.*\n"}, "dnf -y": {}}},
		{name: "dnf, locked by a pattern", program: "dnf", answers: map[string]driver.Ran{"dnf -q versionlock": {Stdout: "kernel*-0:5.14.0-362.*\n"}}, want: "inhibited"},
		{name: "dnf, this version excluded", program: "dnf", answers: map[string]driver.Ran{"dnf -q versionlock": {Stdout: "!kernel-core-0:5.14.0-427.el9.*\n"}}, want: "inhibited"},
		{name: "dnf, another version excluded", program: "dnf", answers: map[string]driver.Ran{"dnf -q versionlock": {Stdout: "!kernel-core-0:5.14.0-400.el9.*\n"}, "dnf -y": {}}},
		{name: "dnf, another package locked", program: "dnf", answers: map[string]driver.Ran{"dnf -q versionlock": {Stdout: "kernel-core-debug-0:5.14.0-1.el9.*\n"}, "dnf -y": {}}},
		{name: "dnf 5, locked", program: "dnf", answers: map[string]driver.Ran{
			"dnf -q versionlock": {Stdout: "# Added by 'versionlock add' command on 2026-11-20 10:00:00\nPackage name: kernel-core\nevr = 5.14.0-362.8.1.el9_3\n"}}, want: "inhibited"},
		{name: "dnf, excluded by its configuration", program: "dnf", answers: map[string]driver.Ran{
			"dnf -q versionlock": {}, "dnf -y": {Code: 1, Stdout: excluded, Stderr: "Error: Unable to find a match: kernel-core-5.14.0-427.el9"}}, want: "inhibited"},
		{name: "dnf, locked by another one", program: "dnf", answers: map[string]driver.Ran{
			"dnf -q versionlock": {}, "dnf -y": {Code: 200, Stderr: "Failed to obtain the transaction lock (logged in as: root)."}}, want: "tool_failed, later"},
		{name: "zypper, nothing locked", program: "zypper", answers: map[string]driver.Ran{
			"zypper --non-interactive locks": {Stdout: "\nThere are no package locks defined.\n"}, "zypper --non-interactive install": {}},
			runs: "zypper --non-interactive install kernel-core=5.14.0-427.el9"},
		{name: "zypper, locked", program: "zypper", answers: map[string]driver.Ran{
			"zypper --non-interactive locks": {Stdout: zypperLocks + "1 | bash            | package | (any)      |\n2 | kernel-core     | package | (any)      | no reboots\n"}}, want: "inhibited",
			says: "kernel-core is held back on the host by kernel-core (zypper --non-interactive locks)"},
		{name: "zypper, locked by a pattern", program: "zypper", answers: map[string]driver.Ran{
			"zypper --non-interactive locks": {Stdout: zypperLocks + "1 | Kernel-*        | package | (any)      |\n"}}, want: "inhibited"},
		{name: "zypper, a patch of that name locked", program: "zypper", answers: map[string]driver.Ran{
			"zypper --non-interactive locks": {Stdout: zypperLocks + "1 | kernel-core     | patch   | (any)      |\n"}, "zypper --non-interactive install": {}}},
		{name: "zypper that cannot tell", program: "zypper", answers: map[string]driver.Ran{
			"zypper --non-interactive locks": {Code: 4, Stderr: "/etc/zypp/locks: cannot read"}}, want: "tool_failed"},
		{name: "zypper, a reboot is needed", program: "zypper", answers: map[string]driver.Ran{
			"zypper --non-interactive locks": {}, "zypper --non-interactive install": {Code: zypperReboot}}},
		{name: "zypper, locked by another one", program: "zypper", answers: map[string]driver.Ran{
			"zypper --non-interactive locks": {}, "zypper --non-interactive install": {Code: 7, Stderr: "System management is locked by the application with pid 1234 (/usr/bin/zypper)."}},
			want: "tool_failed, later"},
		{name: "zypper, a script of the package failed", program: "zypper", answers: map[string]driver.Ran{
			"zypper --non-interactive locks": {}, "zypper --non-interactive install": {Code: 107, Stderr: "warning: %post(kernel-core) scriptlet failed, exit status 1"}}, want: "tool_failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, "usr/bin", c.program), nil, 0o755); err != nil {
				t.Fatal(err)
			}
			r := &recorded{answers: c.answers, there: driver.Ran{Stdout: "kernel-core-5.14.0-427.el9.x86_64\n"}}
			r.answers["rpm -q"] = missing
			err := New(root, r, nil).install(t.Context(), hotstick.Recipe{Packages: []hotstick.Package{{Name: "kernel-core", Version: "5.14.0-427.el9"}}})
			if got := verdict(err); got != c.want {
				t.Fatalf("%s (%v), want %s", got, err, c.want)
			}
			if c.says != "" && !strings.Contains(err.Error(), c.says) {
				t.Errorf("it says %q", err)
			}
			if c.want == "inhibited" && c.answers["dnf -y"].Code == 0 && strings.Contains(strings.Join(r.ran, "\n"), "install ") {
				t.Errorf("it was installed: %q", r.ran)
			}
			if c.runs != "" && r.ran[len(r.ran)-2] != c.runs {
				t.Errorf("it ran %q, want %q", r.ran[len(r.ran)-2], c.runs)
			}
		})
	}
}

// TestNothingStandsBeforeAPackageManager: whoever runs one knows by its name that its
// transaction must not be cut in half.
func TestNothingStandsBeforeAPackageManager(t *testing.T) {
	for name, m := range managers {
		if m.install[0] != name {
			t.Errorf("%s is run as %v", name, m.install)
		}
	}
}
