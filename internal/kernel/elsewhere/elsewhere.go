//go:build lab

// Package elsewhere looks at a kernel that another process simulates, so that the
// programs of a host can be killed while their kernel goes on. It is in lab builds only.
//
// The other process listens on a Unix socket and speaks HTTP: GET /open?name=… answers
// with a [File], POST /finit, /disable, /delete and /help answer with an errno as text, 0
// for success. bench/crash has it.
package elsewhere

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"testing/fstest"
)

// Variable of the environment names the socket. Empty: the program is on the real kernel.
const Variable = "HOTSTICK_LAB_KERNEL"

// File is what there is at a name of the kernel's tree.
type File struct {
	Data []byte `json:"data,omitempty"`
	// Dir: it is a directory, with these names in it; those of directories end in a slash.
	Dir   bool     `json:"dir,omitempty"`
	Names []string `json:"names,omitempty"`
}

// Kernel is one that another process has.
type Kernel struct{ http *http.Client }

// Dial returns the kernel behind a socket; nothing is sent yet.
func Dial(socket string) *Kernel {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &Kernel{&http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Open implements [fs.FS]; each call shows the state of that moment.
func (k *Kernel) Open(name string) (fs.File, error) {
	data, status, err := k.say(http.MethodGet, "/open?name="+url.QueryEscape(name), nil)
	if err == nil && status == http.StatusNotFound {
		err = fs.ErrNotExist
	}
	var f File
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	tree := fstest.MapFS{name: {Data: f.Data, Mode: 0o444}}
	if f.Dir {
		tree[name] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
		for _, n := range f.Names {
			mode := fs.FileMode(0o444)
			if strings.HasSuffix(n, "/") {
				mode = fs.ModeDir | 0o755
			}
			tree[name+"/"+strings.TrimSuffix(n, "/")] = &fstest.MapFile{Mode: mode}
		}
	}
	return tree.Open(name)
}

// Call makes one of the three calls that change a kernel; its error is a syscall.Errno
// where the kernel refused.
func (k *Kernel) Call(path string, body []byte) error {
	data, _, err := k.say(http.MethodPost, path, body)
	if err != nil {
		return fmt.Errorf("cannot reach the simulated kernel: %w", err)
	}
	n, err := strconv.Atoi(string(data))
	switch {
	case err != nil:
		return errors.New("cannot understand the simulated kernel")
	case n == 0:
		return nil
	}
	return syscall.Errno(n)
}

func (k *Kernel) say(method, path string, body []byte) ([]byte, int, error) {
	req, err := http.NewRequest(method, "http://kernel"+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	resp, err := k.http.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return data, resp.StatusCode, err
}
