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
	address, err := w.address(name)
	if err != nil {
		return nil, err
	}
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	end := time.AfterFunc(FetchTime, func() { abort(fmt.Errorf("%w: not done after %s", ErrSlow, FetchTime)) })
	defer end.Stop()
	p := startPace(abort)
	defer p.stop()

	data, err := w.get(ctx, address, maxBytes, p)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot fetch %.200s from %s: %w", name, w.base, err)
	}
	return data, nil
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

func (w *Web) get(ctx context.Context, address string, maxBytes int64, p *pace) ([]byte, error) {
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
	defer resp.Body.Close()
	encoding := resp.Header.Get("Content-Encoding")
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return nil, fs.ErrNotExist
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return nil, refused("the source sends us elsewhere, to %.80q", resp.Header.Get("Location"))
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the source answers with status %d", resp.StatusCode)
	case encoding != "" && encoding != "identity":
		return nil, refused("the source encodes it as %.40q", encoding)
	case resp.ContentLength > maxBytes:
		return nil, refused("the source announces %d bytes: the limit is %d", resp.ContentLength, maxBytes)
	}
	return readAtMost(resp.Body, maxBytes, p)
}

// readAtMost reads to the end, and never more than one byte beyond the limit. What
// the source says about the length allots no memory.
func readAtMost(body io.Reader, limit int64, p *pace) ([]byte, error) {
	data := make([]byte, 0, 4<<10)
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		room := data[len(data):min(int64(cap(data)), limit+1)]
		n, err := body.Read(room)
		data = data[:len(data)+n]
		p.count(n)
		switch {
		case int64(len(data)) > limit:
			return nil, refused("more than %d bytes", limit)
		case errors.Is(err, io.EOF):
			return data, nil
		case err != nil:
			return nil, err
		}
	}
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
