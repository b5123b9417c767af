package link_test

import (
	"net"
	"os"
	"testing"
)

// The test program calls itself as another user with this variable set.
const strangerVariable = "HOTSTICK_TEST_STRANGER_SOCKET"

func TestAnotherUserIsNotHeard(t *testing.T) {
	if path := os.Getenv(strangerVariable); path != "" {
		conn, err := net.Dial("unix", path)
		if err != nil {
			os.Exit(3)
		}
		if _, err := conn.Write([]byte("{\"acknowledged\":0}\n")); err != nil {
			os.Exit(0) // cut off already
		}
		if n, _ := conn.Read(make([]byte, 1)); n > 0 {
			os.Exit(4) // an answer
		}
		os.Exit(0)
	}
	if os.Getuid() != 0 {
		t.Skip("becoming another user needs root; TestStrangersAreNotHeard tests the rule otherwise")
	}
	l := &echo{}
	path := serve(t, l, 65533)
	for user, want := range map[uint32]int{65534: 0, 65533: 4} {
		open(t, path)
		cmd := strangerProcess(t, "TestAnotherUserIsNotHeard", strangerVariable+"="+path, user)
		err := cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Errorf("user %d ended with %d (%v), want %d", user, code, err, want)
		}
	}
	if n := l.count(); n != 1 {
		t.Errorf("the loader was called %d times, want once: by its agent", n)
	}
}

// open lets other users pass through the directories above the socket, which
// the test's temporary directories do not.
func open(t *testing.T, path string) {
	t.Helper()
	for dir := path; dir != "/tmp" && dir != "/"; dir = parent(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func parent(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '/' {
			return path[:i]
		}
	}
	return "/"
}
