package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Doer asks a web server; [NewClient] makes one.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

const maxRedirects = 5

// NewClient returns a client that gives up on a whole request after a time, and follows
// redirects only while the scheme stays the same.
func NewClient(transport http.RoundTripper, timeout time.Duration) *http.Client {
	return &http.Client{Transport: transport, Timeout: timeout, CheckRedirect: func(next *http.Request, before []*http.Request) error {
		switch {
		case next.URL.Scheme != before[0].URL.Scheme:
			return fmt.Errorf("cannot follow a redirect from %s to %.20q", before[0].URL.Scheme, next.URL.Scheme)
		case len(before) > maxRedirects:
			return fmt.Errorf("cannot follow more than %d redirects", maxRedirects)
		}
		return nil
	}}
}

// Web is an http or https address of a document, an archive, or a directory of CSAF
// documents: its index.txt, its changes.csv, or the directory itself with a slash at the
// end.
type Web struct {
	Client Doer
	URL    string
	// ETag is what the server gave last time, and Times are those of the documents that
	// were read, by path: what a changes.csv says has the same time still is left out.
	ETag  string
	Times map[string]time.Time
	// Spool is the directory for what is being downloaded; empty is the system's.
	Spool string
}

// Got says what a web server answered.
type Got struct {
	// Unchanged: nothing was read, because the ETag is still the same.
	Unchanged bool
	// ETag is empty where documents were missed: it is to be fetched again.
	ETag string
	// Times are those of a changes.csv, of the documents that were read.
	Times map[string]time.Time
	// Missed documents could not be fetched, or not read.
	Missed int
}

// Read goes through the documents at the address.
func (a Web) Read(ctx context.Context, limits Limits, v Visitor) (Got, error) {
	at, err := url.Parse(a.URL)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return Got{}, fmt.Errorf("cannot read %.200q: want an http or https address", a.URL)
	}
	w := &walk{ctx: ctx, limits: limits, visitor: v}
	if !strings.HasSuffix(at.Path, "/") {
		return a.read(w, at)
	}
	got, err := a.read(w, at.JoinPath("changes.csv"))
	if missing := (*absent)(nil); errors.As(err, &missing) {
		return a.read(w, at.JoinPath("index.txt"))
	}
	return got, err
}

// absent is an answer without the thing.
type absent struct{ status int }

func (a *absent) Error() string { return fmt.Sprintf("the server answers %d", a.status) }

func (a Web) read(w *walk, at *url.URL) (Got, error) {
	answer, err := a.ask(w.ctx, at, a.ETag)
	if err != nil {
		return Got{}, fmt.Errorf("cannot fetch %.200s: %w", at.Redacted(), err)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotModified {
		return Got{Unchanged: true, ETag: a.ETag}, nil
	}
	got := Got{ETag: answer.Header.Get("ETag")}
	if len(got.ETag) > 200 {
		got.ETag = ""
	}
	// Onto the disk first: a zip file is read from its end.
	f, err := os.CreateTemp(a.Spool, "advisories-*")
	if err != nil {
		return Got{}, fmt.Errorf("cannot keep what is downloaded: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	n, err := io.Copy(f, io.LimitReader(answer.Body, w.limits.Download+1))
	switch {
	case err != nil:
		return Got{}, fmt.Errorf("cannot fetch %.200s: %w", at.Redacted(), err)
	case n > w.limits.Download:
		return Got{}, fmt.Errorf("cannot fetch %.200s: it is longer than %d bytes: %w", at.Redacted(), w.limits.Download, ErrLimit)
	}
	list, err := listing(f)
	if err != nil {
		return Got{}, fmt.Errorf("cannot read the list %.200s: %w", at.Redacted(), err)
	}
	if list == nil {
		err = w.open(f, at.Redacted())
		got.Missed = w.unread
	} else {
		err = a.listed(w, at, list, &got)
	}
	if got.Missed > 0 {
		got.ETag = ""
	}
	return got, err
}

// listed fetches the documents of a list, below the list's own address only.
func (a Web) listed(w *walk, at *url.URL, list []listedPath, got *Got) error {
	got.Times = map[string]time.Time{}
	faults := 0
	for _, l := range list {
		seen, known := a.Times[l.path]
		if !known || l.changed.IsZero() || !l.changed.Equal(seen) {
			before := w.unread
			if err := a.one(w, at.JoinPath("..", l.path), l.path, &faults); err != nil {
				return err
			}
			if w.unread > before {
				got.Missed++
				continue
			}
		}
		if !l.changed.IsZero() {
			got.Times[l.path] = l.changed
		}
	}
	return nil
}

// one fetches a document of a list; faults are how many in a row did not arrive whole.
func (a Web) one(w *walk, at *url.URL, path string, faults *int) error {
	answer, err := a.ask(w.ctx, at, "")
	broken := err != nil
	if broken {
		err = w.refuse(path, err)
	} else {
		body := &counted{w: w, r: answer.Body}
		err = w.stream(body, path, false, 0)
		answer.Body.Close()
		broken = body.broken
	}
	if *faults++; !broken {
		*faults = 0
	}
	if err == nil && *faults > 0 && *faults >= w.limits.Faults {
		err = fmt.Errorf("cannot fetch %d documents one after the other, the last being %.200s", *faults, path)
	}
	return err
}

func (a Web) ask(ctx context.Context, at *url.URL, etag string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	// What is packed is packed by its owner: the transport would unpack it unbounded, and
	// with a weaker ETag.
	request.Header.Set("Accept-Encoding", "identity")
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	answer, err := a.Client.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusNotModified && etag != "" {
		return answer, nil
	}
	answer.Body.Close()
	return nil, &absent{answer.StatusCode}
}
