package loadercmd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/loader/operate"
)

// doors are where the loader is called: the agent's, and root's on the host.
type doors struct{ agent, operator door }

func newDoors(s settings, handed map[string]*os.File) doors {
	return doors{newDoor(s.socket, link.Listen, handed["agent"]), newDoor(s.operator, operate.Listen, handed["operator"])}
}

// door is one socket: one that systemd listens on and has handed over, or one that the
// loader makes itself.
type door struct {
	path   string
	make   func(path string) (net.Listener, error)
	handed *os.File
}

func newDoor(path string, listen func(string) (net.Listener, error), handed *os.File) door {
	return door{path: path, make: listen, handed: handed}
}

// firstHanded is the first file that systemd hands to a process (sd_listen_fds(3)).
const firstHanded = 3

// maxHanded bounds the files that are looked at.
const maxHanded = 16

// inherited takes the files that systemd has handed to this process, by the names that
// their units give them.
func inherited(env func(string) string) map[string]*os.File {
	handed := map[string]*os.File{}
	if env("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return handed
	}
	n, err := strconv.Atoi(env("LISTEN_FDS"))
	if err != nil {
		return handed
	}
	names := strings.Split(env("LISTEN_FDNAMES"), ":")
	for i := range min(n, len(names), maxHanded) {
		unix.CloseOnExec(firstHanded + i)
		handed[names[i]] = os.NewFile(uintptr(firstHanded+i), names[i])
	}
	return handed
}

// open listens. It may be called again once what it returned is closed.
func (d door) open() (net.Listener, error) {
	if d.handed == nil {
		if err := os.MkdirAll(filepath.Dir(d.path), 0o755); err != nil {
			return nil, fmt.Errorf("cannot make the socket's directory: %w", err)
		}
		return d.make(d.path)
	}
	listener, err := net.FileListener(d.handed)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on the socket of systemd: %w", err)
	}
	if _, ok := listener.(*net.UnixListener); !ok {
		listener.Close()
		return nil, fmt.Errorf("cannot listen on the socket of systemd: it is of %s, not a Unix socket", listener.Addr().Network())
	}
	return listener, nil
}
