package operate

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/strictjson"
)

const (
	// CallTime bounds reading, handling and answering one call. What is asked for is done
	// between two steps of an attempt, so it is longer than the longest of those.
	CallTime = 2 * time.Minute
	// readTime bounds reading a call.
	readTime = 5 * time.Second
	// maxCalls bounds how many calls are answered at once.
	maxCalls = 4
)

// ErrUnreachable tells that no loader answers on the socket.
var ErrUnreachable = errors.New("cannot reach the loader")

// Listen makes the socket, which only root may open.
func Listen(path string) (net.Listener, error) {
	listener, err := link.Listen(path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, fmt.Errorf("cannot close the operator's socket to others: %w", err)
	}
	return listener, nil
}

// Serve answers until the context ends; then it closes the listener and waits for calls
// under way. Only root is heard, whatever the socket file's mode.
func Serve(ctx context.Context, listener net.Listener, loader Loader, log *slog.Logger) error {
	return link.Accept(ctx, listener, maxCalls, log, func(conn net.Conn) (func() error, error) {
		who, err := caller(conn)
		return func() error {
			if err := serve(ctx, conn, who, loader); err != nil {
				return fmt.Errorf("%w (by %s)", err, who.Name)
			}
			return nil
		}, err
	})
}

// reply is the one line from the loader.
type reply struct {
	Answer *Answer `json:"answer,omitempty"`
	Error  string  `json:"error,omitempty"`
}

func serve(ctx context.Context, conn net.Conn, who Caller, loader Loader) error {
	now := time.Now()
	if err := errors.Join(conn.SetReadDeadline(now.Add(readTime)), conn.SetWriteDeadline(now.Add(CallTime))); err != nil {
		return err
	}
	var req Request
	err := readLine(conn, maxCall, &req)
	if err == nil {
		err = req.Validate()
	}
	if err != nil {
		return errors.Join(err, writeLine(conn, reply{Error: err.Error()}))
	}
	ctx, cancel := context.WithTimeout(ctx, CallTime)
	defer cancel()
	answer := loader.Operate(ctx, who, req)
	return writeLine(conn, reply{Answer: &answer})
}

// Call asks the loader at path, once.
func Call(ctx context.Context, path string, req Request) (Answer, error) {
	if err := req.Validate(); err != nil {
		return Answer{}, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(CallTime)); err != nil {
		return Answer{}, err
	}
	if err := writeLine(conn, req); err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	var answer reply
	if err := readLine(conn, maxAnswer, &answer); err != nil {
		return Answer{}, fmt.Errorf("cannot read the loader's answer: %w", err)
	}
	if answer.Answer == nil {
		return Answer{}, fmt.Errorf("cannot get that from the loader: %s", answer.Error)
	}
	return *answer.Answer, nil
}

func readLine(r io.Reader, limit int64, v any) error {
	line, err := bufio.NewReader(io.LimitReader(r, limit)).ReadBytes('\n')
	if errors.Is(err, io.EOF) && int64(len(line)) == limit {
		return fmt.Errorf("cannot read a line of more than %d bytes", limit)
	}
	if err != nil {
		return fmt.Errorf("cannot read a line: %w", err)
	}
	return strictjson.Unmarshal(line, v)
}

func writeLine(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("cannot encode a line: %w", err)
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("cannot send a line: %w", err)
	}
	return nil
}

// nobody is the login ID of a process that no person has started.
const nobody = "4294967295"

// caller says who calls; an error if it is not root.
func caller(conn net.Conn) (Caller, error) {
	peer, err := link.Peer(conn)
	if err != nil {
		return Caller{}, err
	}
	if peer.Uid != 0 {
		return Caller{}, fmt.Errorf("cannot serve user %d: only root is heard", peer.Uid)
	}
	login, err := os.ReadFile("/proc/" + strconv.Itoa(int(peer.Pid)) + "/loginuid")
	id := strings.TrimSpace(string(login))
	if err != nil || id == "" || id == nobody {
		return Caller{Name: account("0")}, nil
	}
	return Caller{Name: account(id)}, nil
}

// account is the name of a user ID, or the ID where it has none.
func account(id string) string {
	if u, err := user.LookupId(id); err == nil && u.Username != "" {
		return u.Username
	}
	return "uid " + id
}
