package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Limits of one fetch over HTTP, beside the limits of the file itself.
const (
	// FetchTime bounds a whole fetch, however fast its bytes come.
	FetchTime = 15 * time.Minute
	// PaceTime is how long a source may be slower than MinBytesPerSecond. The time
	// before its first byte counts.
	PaceTime = 30 * time.Second
	// MinBytesPerSecond is the slowest source that is worth waiting for.
	MinBytesPerSecond = 1 << 10
	// maxHeaderBytes bounds the header of an answer.
	maxHeaderBytes = 32 << 10
)

// ErrSlow tells that a source gave its bytes too slowly, or none. Another one may
// have them.
var ErrSlow = errors.New("the source is too slow")

// Web is a [Fetcher] over HTTP that trusts the other side with nothing: neither
// with its time nor with its memory, and it never goes where it is sent.
type Web struct {
	base   string
	client *http.Client
}

// NewWeb returns a fetcher for the files below base, an http or https address. A
// nil transport stands for one with the usual certificates of this machine.
func NewWeb(base string, transport http.RoundTripper) (*Web, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("cannot use %.200q as a source: %w", base, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("cannot use %.200q as a source: want http://HOST/PATH or https://HOST/PATH", base)
	}
	if transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.MaxResponseHeaderBytes = maxHeaderBytes
		transport = own
	}
	return &Web{base: strings.TrimSuffix(base, "/") + "/", client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Fetch implements [Fetcher]. The name is an escaped path below the base. Too slow
// a source gives an error that wraps [ErrSlow]; one that sends more than maxBytes,
// something compressed, or a redirection, one that wraps [ErrRefused].
func (w *Web) Fetch(ctx context.Context, name string, maxBytes int64) ([]byte, error) {
	body, err := w.Open(ctx, name, maxBytes)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	// What the source says about the length allots no memory.
	return io.ReadAll(body)
}

// Open implements [Opener], with the limits and errors of Fetch.
func (w *Web) Open(ctx context.Context, name string, maxBytes int64) (io.ReadCloser, error) {
	address, err := w.address(name)
	if err != nil {
		return nil, err
	}
	ctx, abort := context.WithCancelCause(ctx)
	b := &webBody{ctx: ctx, abort: abort, what: fmt.Sprintf("cannot fetch %.200s from %s", name, w.base), left: maxBytes, limit: maxBytes}
	b.end = time.AfterFunc(FetchTime, func() { abort(fmt.Errorf("%w: not done after %s", ErrSlow, FetchTime)) })
	b.pace = startPace(abort)
	if b.body, err = w.get(ctx, address, maxBytes); err != nil {
		err = b.explain(err)
		b.stop()
		return nil, err
	}
	return b, nil
}

// webBody is a file on its way: never longer than its limit, never for ever.
type webBody struct {
	ctx         context.Context
	abort       context.CancelCauseFunc
	what        string
	body        io.ReadCloser
	left, limit int64
	end         *time.Timer
	pace        *pace
}

// Read implements io.Reader. It never asks for more than one byte beyond the limit.
func (b *webBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p[:min(int64(len(p)), b.left+1)])
	b.pace.count(n)
	if b.left -= int64(n); b.left < 0 {
		return 0, b.explain(refused("more than %d bytes", b.limit))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.explain(err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *webBody) Close() error {
	b.stop()
	return b.body.Close()
}

func (b *webBody) stop() {
	b.end.Stop()
	b.pace.stop()
	b.abort(nil)
}

// explain says what could not be fetched, and why it was given up if it was.
func (b *webBody) explain(err error) error {
	if b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return fmt.Errorf("%s: %w", b.what, err)
}

// address returns the address of a file, which never leaves the base.
func (w *Web) address(name string) (string, error) {
	u, err := url.Parse(w.base + name)
	if err != nil || name == "" || u.RawQuery != "" || u.Fragment != "" || !strings.HasPrefix(u.String(), w.base) ||
		slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return part == "" || part == "." || part == ".." }) {
		return "", refused("%.80q is not the name of a file", name)
	}
	return u.String(), nil
}

// get asks for a file and looks at the answer's head.
func (w *Web) get(ctx context.Context, address string, maxBytes int64) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	// Asking for it oneself keeps net/http from unpacking what comes.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, err
	}
	encoding := resp.Header.Get("Content-Encoding")
	switch {
	case resp.StatusCode == http.StatusNotFound:
		err = fs.ErrNotExist
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		err = refused("the source sends us elsewhere, to %.80q", resp.Header.Get("Location"))
	case resp.StatusCode != http.StatusOK:
		err = fmt.Errorf("the source answers with status %d", resp.StatusCode)
	case encoding != "" && encoding != "identity":
		err = refused("the source encodes it as %.40q", encoding)
	case resp.ContentLength > maxBytes:
		err = refused("the source announces %d bytes: the limit is %d", resp.ContentLength, maxBytes)
	}
	if err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return resp.Body, nil
}

// pace gives up on a source that stays too slow for PaceTime.
type pace struct {
	bytes atomic.Int64
	timer *time.Timer
	abort context.CancelCauseFunc
}

func startPace(abort context.CancelCauseFunc) *pace {
	p := &pace{abort: abort}
	ready := make(chan struct{})
	p.timer = time.AfterFunc(PaceTime, func() {
		<-ready // p.timer is set
		p.look()
	})
	close(ready)
	return p
}

func (p *pace) look() {
	if n := p.bytes.Swap(0); n < MinBytesPerSecond*int64(PaceTime/time.Second) {
		p.abort(fmt.Errorf("%w: %d bytes in %s", ErrSlow, n, PaceTime))
		return
	}
	p.timer.Reset(PaceTime)
}

func (p *pace) count(n int) { p.bytes.Add(int64(n)) }

func (p *pace) stop() { p.timer.Stop() }
