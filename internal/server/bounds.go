package server

import (
	"io"
	"net/http"
	"time"
)

// times bound how long a client may take; tests shorten them.
type times struct {
	// header is for the handshake and again for the header, body for a small body or
	// the first part of a large one, and idle is how long a connection may be kept
	// between requests.
	header, body, idle time.Duration
	// write is for an answer, or for a part of one that is large.
	write time.Duration
}

var defaultTimes = times{header: 10 * time.Second, body: 10 * time.Second, idle: 2 * time.Minute, write: 30 * time.Second}

// Limits of requests.
const (
	// maxHeader bounds the header of a request, in bytes.
	maxHeader = 32 << 10
	// slowest is how many bytes a second of a body must arrive in the long run.
	slowest = 64 << 10
	// longestBody bounds the time of the largest bodies.
	longestBody = 10 * time.Minute
)

// reading is how long a body of at most so many bytes may take to arrive.
func (t times) reading(limit int64) time.Duration {
	return min(t.body+time.Duration(limit/slowest)*time.Second, longestBody)
}

// bound limits a route's body in size and time. When the body is whole there is no
// limit of time any more, so that held check-ins and live streams may last: while
// they wait, nothing is read but the end of the connection.
func (s *Server) bound(r route, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		control := http.NewResponseController(w)
		whole := func() { _ = control.SetReadDeadline(time.Time{}) } // not every writer has deadlines
		if req.Body == nil || req.Body == http.NoBody || req.ContentLength == 0 {
			whole()
			next.ServeHTTP(w, req)
			return
		}
		if req.ContentLength > r.body {
			w.Header().Set("Connection", "close")
			writeProblem(w, tooLarge(r.body))
			return
		}
		_ = control.SetReadDeadline(time.Now().Add(s.options.times.reading(r.body)))
		req.Body = &timed{ReadCloser: http.MaxBytesReader(w, req.Body, r.body), whole: whole}
		next.ServeHTTP(w, req)
	})
}

// timed is a body with a limit of time that ends with it.
type timed struct {
	io.ReadCloser
	whole func()
}

// Read implements io.Reader.
func (b *timed) Read(data []byte) (int, error) {
	n, err := b.ReadCloser.Read(data)
	if err == io.EOF {
		b.whole()
	}
	return n, err
}

// steadily writes to a client that must take each part of an answer within a time,
// however long the whole is.
type steadily struct {
	http.ResponseWriter
	control *http.ResponseController
	within  time.Duration
}

// Write implements io.Writer.
func (w *steadily) Write(data []byte) (int, error) {
	written := 0
	for len(data) > 0 {
		part := data[:min(len(data), 64<<10)]
		_ = w.control.SetWriteDeadline(time.Now().Add(w.within)) // not every writer has deadlines
		n, err := w.ResponseWriter.Write(part)
		written += n
		if err != nil {
			return written, err
		}
		data = data[n:]
	}
	return written, nil
}
