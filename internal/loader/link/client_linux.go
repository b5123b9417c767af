package link

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hotstick/hotstick/internal/strictjson"
)

// Client calls a loader over its socket. It is safe for concurrent use; calls go
// one after the other. After an error it connects anew, so it survives the
// loader's restart; and where the loader has ended since the last call, which it does
// when it has nothing to do, the call is made again at once.
type Client struct {
	path string

	// mu guards the connection for a whole call.
	mu    sync.Mutex
	conn  net.Conn
	lines *bufio.Reader
	// protocol is the connection's; older that of the next one, if the loader has
	// refused a newer.
	protocol, older int
}

var _ Loader = (*Client)(nil)

// Dial returns a client for the socket at path. It connects at the first call.
func Dial(path string) *Client { return &Client{path: path} }

// Close ends the connection.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.drop()
}

func (c *Client) drop() error {
	if c.conn == nil {
		return nil
	}
	err := c.conn.Close()
	c.conn, c.lines = nil, nil
	return err
}

// Exchange implements [Loader].
func (c *Client) Exchange(ctx context.Context, req Request) (Response, error) {
	if err := req.Validate(); err != nil {
		return Response{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	reused := c.conn != nil
	resp, err := c.exchange(ctx, req)
	if reused && hungUp(err) {
		c.drop()
		resp, err = c.exchange(ctx, req)
	}
	for errors.Is(err, errVersion) && c.protocol > 1 {
		// The loader cuts off whom it cannot read.
		c.drop()
		c.older = c.protocol - 1
		resp, err = c.exchange(ctx, req)
	}
	if err != nil {
		c.drop()
	}
	return resp, err
}

// hungUp reports whether the other end was closed before it answered.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// errVersion is the refusal of a loader that does not speak the version of the call.
var errVersion = fmt.Errorf("%w", ErrRefused)

// refused is the error of a call that was not taken. A loader of the first version meets a
// field that it does not know; a later one names the version. Any other refusal speaks of
// what was asked, and would be the same in an older version.
func refused(text string) error {
	kind := ErrRefused
	if strings.Contains(text, "unknown field") || strings.HasPrefix(text, cannotSpeak) {
		kind = errVersion
	}
	return fmt.Errorf("%w: %s", kind, text)
}

func (c *Client) exchange(ctx context.Context, req Request) (Response, error) {
	if older := c.older; c.conn == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", c.path)
		if err != nil {
			return Response{}, fmt.Errorf("cannot reach the loader: %w", err)
		}
		c.conn, c.lines = conn, bufio.NewReaderSize(conn, 64<<10)
		c.protocol, c.older = Protocol, 0
		if older != 0 {
			c.protocol = older
		}
	}
	deadline := time.Now().Add(callTime)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return Response{}, fmt.Errorf("cannot set a deadline: %w", err)
	}
	req.Protocol = c.protocol
	if err := writeLine(c.conn, req, c.protocol); err != nil {
		return Response{}, err
	}
	line, err := readLine(c.lines)
	if err != nil {
		return Response{}, err
	}
	var answer reply
	if err := strictjson.Unmarshal(line, &answer); err != nil {
		return Response{}, fmt.Errorf("cannot read the loader's answer: %v", err)
	}
	if answer.Response == nil {
		return Response{}, refused(answer.Error)
	}
	return *answer.Response, answer.Response.Validate()
}
