package origin

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
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
	// ETag is what the server gave last time; Since leaves out what a changes.csv says
	// is older.
	ETag  string
	Since time.Time
	// Spool is the directory for what is being downloaded; empty is the system's.
	Spool string
}

// Got says what a web server answered.
type Got struct {
	// Unchanged: nothing was read, because the ETag is still the same.
	Unchanged bool
	ETag      string
	// Newest is the newest time in a changes.csv.
	Newest time.Time
	// Missed documents are listed and could not be fetched.
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
	list, err := listing(f, a.Since)
	if err != nil {
		return Got{}, fmt.Errorf("cannot read the list %.200s: %w", at.Redacted(), err)
	}
	if list == nil {
		return got, w.open(f, at.Redacted())
	}
	got.Newest = list.newest
	got.Missed, err = a.listed(w, at, list.paths)
	return got, err
}

// listed fetches the documents of a list, below the list's own address only.
func (a Web) listed(w *walk, at *url.URL, paths []string) (missed int, err error) {
	faults := 0
	for _, path := range paths {
		next := at.JoinPath("..", path)
		answer, err := a.ask(w.ctx, next, "")
		if err != nil {
			missed++
			if faults++; faults >= w.limits.Faults {
				return missed, fmt.Errorf("cannot fetch %d documents one after the other: %w", faults, err)
			}
			if err := w.refuse(path, err); err != nil {
				return missed, err
			}
			continue
		}
		faults = 0
		err = w.stream(&counted{w, answer.Body}, path, false, 0)
		answer.Body.Close()
		if err != nil {
			return missed, err
		}
	}
	return missed, nil
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

// maxListing bounds an index.txt or changes.csv, in bytes.
const maxListing = 32 << 20

type list struct {
	paths  []string
	newest time.Time
}

// listing reads an index.txt or a changes.csv, and returns nil where f is neither.
func listing(f *os.File, since time.Time) (*list, error) {
	head := make([]byte, 1024)
	n, _ := f.ReadAt(head, 0)
	if line, _, _ := strings.Cut(string(head[:n]), "\n"); !isListed(line) {
		return nil, nil
	}
	if info, err := f.Stat(); err != nil || info.Size() > maxListing {
		return nil, fmt.Errorf("it is longer than %d bytes", maxListing)
	}
	data, err := io.ReadAll(io.NewSectionReader(f, 0, maxListing))
	if err != nil {
		return nil, err
	}
	return parseListing(string(data), since)
}

func isListed(line string) bool {
	path, _, _ := strings.Cut(strings.TrimSpace(line), ",")
	return isPath(strings.Trim(path, `"`))
}

// isPath reports whether a whole field of a list may be a document's path.
func isPath(path string) bool {
	return strings.HasSuffix(path, ".json") && !strings.ContainsAny(path, "{}[]:\",")
}

// parseListing refuses all of a list for one bad line: a list that was tampered with is no
// list.
func parseListing(text string, since time.Time) (*list, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.ReuseRecord = 0, true // all lines as the first
	l := &list{}
	for {
		row, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return l, nil
		case err != nil:
			return nil, err
		case len(row) > 2 || !filepath.IsLocal(row[0]) || strings.ContainsAny(row[0], "\\\x00%?#") || !isPath(row[0]):
			return nil, fmt.Errorf("%.80q is no path of a document below it", row[0])
		}
		if len(row) == 2 {
			changed, err := time.Parse(time.RFC3339, row[1])
			if err != nil {
				return nil, fmt.Errorf("cannot use %.40q as a time", row[1])
			}
			if changed.After(l.newest) {
				l.newest = changed
			}
			if !changed.After(since) {
				continue
			}
		}
		l.paths = append(l.paths, strings.Clone(row[0]))
	}
}
