// Package turn chooses what a short run tries of what a long one tries all of: the commit
// chooses, so every commit tries something else, and each choice can be made again.
package turn

import (
	"hash/crc32"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Variable is the environment variable that says whether tests take turns: they do where it
// is "commit", and all of them run otherwise.
const Variable = "HOTSTICK_TURN"

// Commit names what is checked out here.
func Commit() string {
	out, err := exec.Command("git", "rev-parse", "HEAD").Output()
	if err != nil {
		return "no commit"
	}
	return strings.TrimSpace(string(out))
}

// Of returns which of the names is in turn at a commit.
func Of(commit string, names ...string) string {
	return names[int(crc32.ChecksumIEEE([]byte(commit))%uint32(len(names)))]
}

// Now returns all names or, where tests take turns, the one that is in turn.
func Now(names ...string) []string {
	if os.Getenv(Variable) != "commit" {
		return names
	}
	return []string{Of(Commit(), names...)}
}

// Skipper is a test that may be left out.
type Skipper interface {
	Helper()
	Skipf(format string, args ...any)
}

// Take skips a test unless it is in turn among the names.
func Take(t Skipper, name string, names ...string) {
	t.Helper()
	if now := Now(names...); !slices.Contains(now, name) {
		t.Skipf("the commit has chosen %q of %q: all of them run without %s", now[0], names, Variable)
	}
}
