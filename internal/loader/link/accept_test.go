package link_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/loader/link"
)

// late is a listener whose next caller comes just as everything ends.
type late struct {
	net.Listener
	end func()
}

func (l late) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	l.end()
	return conn, err
}

// mustListen returns a socket, and a caller that waits on it.
func mustListen(t *testing.T) (net.Listener, net.Conn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := link.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	caller, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { caller.Close() })
	if err := caller.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return listener, caller
}

func TestACallerWhoComesAsTheLoaderEndsIsNotLeftWaiting(t *testing.T) {
	listener, caller := mustListen(t)
	ctx, end := context.WithCancel(t.Context())
	err := link.Accept(ctx, late{listener, end}, 1, slog.New(slog.DiscardHandler), func(net.Conn) (func() error, error) {
		t.Error("it was heard")
		return nil, errors.New("nobody")
	})
	if err != nil {
		t.Errorf("it ended with %v", err)
	}
	if _, err := caller.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the caller reads %v, want the end", err)
	}
}

func TestACallerWhoIsHeardWaitsForAPlace(t *testing.T) {
	listener, first := mustListen(t)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- link.Accept(ctx, listener, 1, slog.New(slog.DiscardHandler), func(conn net.Conn) (func() error, error) {
			return func() error { // says that it has a place, and keeps it until the caller is gone
				_, _ = conn.Write([]byte("x"))
				_, _ = conn.Read(make([]byte, 1))
				return nil
			}, nil
		})
	}()
	if _, err := io.ReadFull(first, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	second, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	first.Close()
	if err := second.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(second, make([]byte, 1)); err != nil {
		t.Errorf("the second caller got no place: %v", err)
	}
	end()
	second.Close()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}
