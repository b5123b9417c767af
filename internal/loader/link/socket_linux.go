package link

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick/internal/strictjson"
)

// Limits of the socket.
const (
	// callTime bounds reading, handling and answering one call.
	callTime = 30 * time.Second
	// idleTime is how long a connection may be silent between calls.
	idleTime = 10 * time.Minute
	// maxConnections bounds how many agents, or strangers, are served at once.
	maxConnections = 4
)

// ErrRefused tells that the loader did not take the call; its text follows.
var ErrRefused = errors.New("cannot exchange with the loader")

// reply is one line from the loader: an answer or why there is none.
type reply struct {
	Response *Response `json:"response,omitempty"`
	Error    string    `json:"error,omitempty"`
}

// Server answers calls on a Unix socket. Peers are told apart by the kernel: only
// root and the listed user IDs are heard, whatever the socket file's mode.
type Server struct {
	loader Loader
	users  []uint32
	log    *slog.Logger
	// call and idle are callTime and idleTime.
	call, idle time.Duration
}

// NewServer serves a loader to root and to the given user IDs.
func NewServer(loader Loader, users []uint32, log *slog.Logger) *Server {
	return &Server{loader: loader, users: users, log: log, call: callTime, idle: idleTime}
}

// Listen makes the socket. A socket file that a dead loader left is removed; one
// that somebody still answers on is an error.
func Listen(path string) (net.Listener, error) {
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return nil, fmt.Errorf("cannot listen on %s: another loader answers there", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot remove the old socket: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", path, err)
	}
	// Who may call is decided by the peer's credentials.
	if err := os.Chmod(path, 0o666); err != nil {
		listener.Close()
		return nil, fmt.Errorf("cannot open the socket to agents: %w", err)
	}
	return listener, nil
}

// Serve answers until the context ends; then it closes the listener and waits
// for calls under way.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	return Accept(ctx, listener, maxConnections, s.log, func(conn net.Conn) (func() error, error) {
		if err := s.admit(conn); err != nil {
			return nil, err
		}
		return func() error {
			unhook := context.AfterFunc(ctx, func() { conn.Close() })
			defer unhook()
			return s.serve(ctx, conn)
		}, nil
	})
}

// admit says why a caller is not heard.
func (s *Server) admit(conn net.Conn) error {
	caller, err := Peer(conn)
	if err == nil && caller.Uid != 0 && !slices.Contains(s.users, caller.Uid) {
		err = fmt.Errorf("cannot serve user %d: only root and the agent's user are heard", caller.Uid)
	}
	return err
}

// serve answers the calls of one connection.
func (s *Server) serve(ctx context.Context, conn net.Conn) error {
	lines := bufio.NewReaderSize(conn, 64<<10)
	for {
		if err := conn.SetDeadline(time.Now().Add(s.idle)); err != nil {
			return fmt.Errorf("cannot set a deadline: %w", err)
		}
		if _, err := lines.Peek(1); errors.Is(err, io.EOF) {
			return nil
		}
		if err := conn.SetDeadline(time.Now().Add(s.call)); err != nil {
			return fmt.Errorf("cannot set a deadline: %w", err)
		}
		if err := s.answer(ctx, conn, lines); err != nil {
			return err
		}
	}
}

// answer answers one line. Whoever sends a malformed one is told why and cut off.
func (s *Server) answer(ctx context.Context, conn net.Conn, lines *bufio.Reader) error {
	req, err := readRequest(lines)
	if err != nil {
		return errors.Join(err, writeLine(conn, reply{Error: err.Error()}, 1))
	}
	ctx, cancel := context.WithTimeout(ctx, s.call)
	defer cancel()
	resp, err := s.loader.Exchange(ctx, req)
	if err != nil {
		return errors.Join(err, writeLine(conn, reply{Error: err.Error()}, 1))
	}
	protocol := max(req.Protocol, 1)
	resp = resp.asOf(protocol)
	return writeLine(conn, reply{Response: &resp}, protocol)
}

func readRequest(lines *bufio.Reader) (Request, error) {
	line, err := readLine(lines)
	if err != nil {
		return Request{}, err
	}
	var req Request
	if err := strictjson.UnmarshalWithin(line, maxMemory, &req); err != nil {
		return Request{}, fmt.Errorf("cannot read the call: %v", err)
	}
	return req, req.Validate()
}

// Peer returns the credentials of the process at the other end, as the kernel knows it.
func Peer(conn net.Conn) (unix.Ucred, error) {
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return unix.Ucred{}, errors.New("cannot tell who calls: not a Unix socket")
	}
	raw, err := unixConn.SyscallConn()
	if err != nil {
		return unix.Ucred{}, fmt.Errorf("cannot tell who calls: %w", err)
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, credErr); err != nil {
		return unix.Ucred{}, fmt.Errorf("cannot tell who calls: %w", err)
	}
	return *cred, nil
}

// readLine reads one line of at most MaxFrame bytes.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > MaxFrame:
			return nil, fmt.Errorf("cannot read a line of more than %d bytes", MaxFrame)
		case err == nil:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("cannot read a line: %w", err)
		}
	}
}

// writeLine writes a value without what is newer than the protocol.
func writeLine(w io.Writer, v any, protocol int) error {
	line, err := strictjson.MarshalAsOf(v, protocol)
	if err != nil {
		return fmt.Errorf("cannot encode a line: %w", err)
	}
	if len(line) >= MaxFrame {
		return fmt.Errorf("cannot send a line of %d bytes: the limit is %d", len(line), MaxFrame)
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("cannot send a line: %w", err)
	}
	return nil
}
