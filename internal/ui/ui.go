// Package ui serves the console: a page built from web (Svelte and Vite) whose
// result, dist, is committed and embedded, so that building the server needs no
// Node.
//
// # What it serves
//
// Files of dist by their name. Any other path answers with the page itself,
// since every view of the console has an address of its own; only what lies
// under /assets/ is never invented, so a page of an older version fails loudly
// instead of reading HTML as a script. The API's paths are the server's to
// route before this handler is reached.
//
// # What a browser is told
//
// The content security policy allows this origin's own scripts, styles and
// requests, and nothing else: nothing inline, no frame around it, and no string
// becomes markup except through Svelte's own template policy. Files under
// /assets/ carry a digest of their content in their name and may be kept for
// ever; the page itself is never stored, so that a new server is a new console.
//
// # How it is built
//
// In web, `npm ci && npm run build` writes dist, and `npm run check-dist` fails
// if dist differs from what web builds.
package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// policy is the page's content security policy.
const policy = "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; " +
	"form-action 'self'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html"

// page is the file that every view of the console starts from.
const page = "index.html"

// file is one embedded file, ready to be sent.
type file struct {
	content []byte
	// zipped is the content in gzip; nil where that saves nothing.
	zipped []byte
	mime   string
	etag   string
	cache  string
}

// console answers with embedded files.
type console struct {
	files map[string]file
}

// Handler returns a handler that serves the console at /. It panics if the
// embedded files cannot be read, which only a broken build can cause.
func Handler() http.Handler {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("cannot open the embedded console: " + err.Error())
	}
	c, err := load(sub)
	if err != nil {
		panic(err.Error())
	}
	return c
}

// load reads and compresses every file once.
func load(built fs.FS) (*console, error) {
	c := &console{files: map[string]file{}}
	err := fs.WalkDir(built, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(built, name)
		if err != nil {
			return err
		}
		c.files[name], err = newFile(name, content)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the embedded console: %v", err)
	}
	if _, ok := c.files[page]; !ok {
		return nil, fmt.Errorf("cannot serve the console: %s is missing; build it in internal/ui/web", page)
	}
	return c, nil
}

func newFile(name string, content []byte) (file, error) {
	sum := sha256.Sum256(content)
	f := file{
		content: content,
		mime:    mediaType(name),
		etag:    base64.RawURLEncoding.EncodeToString(sum[:12]),
		cache:   "no-cache",
	}
	switch {
	case strings.HasPrefix(name, "assets/"):
		f.cache = "public, max-age=31536000, immutable"
	case name == page:
		f.cache = "no-store"
	}
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		return file{}, err
	}
	if _, err := w.Write(content); err != nil {
		return file{}, err
	}
	if err := w.Close(); err != nil {
		return file{}, err
	}
	if zipped.Len() < len(content) {
		f.zipped = zipped.Bytes()
	}
	return f, nil
}

// mediaType knows the few kinds that dist holds by itself; what a machine's own
// tables say must not change what a browser is told.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".md":
		return "text/plain; charset=utf-8"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// ServeHTTP implements [http.Handler].
func (c *console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "cannot do that to the console: it only answers GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	f, ok := c.find(r.URL.Path)
	if !ok {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "cannot find it: this console has no such file", http.StatusNotFound)
		return
	}
	f.send(w, r)
}

// find returns the file of a path, or the page for a view's address.
func (c *console) find(urlPath string) (file, bool) {
	name := strings.TrimPrefix(path.Clean("/"+urlPath), "/")
	if f, ok := c.files[name]; ok {
		return f, true
	}
	if name == "assets" || strings.HasPrefix(name, "assets/") {
		return file{}, false
	}
	return c.files[page], true
}

func (f file) send(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.mime)
	h.Set("Cache-Control", f.cache)
	h.Set("Vary", "Accept-Encoding")
	body, etag := f.content, `"`+f.etag+`"`
	if f.zipped != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		body, etag = f.zipped, `"`+f.etag+`-gzip"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", etag)
	if match := r.Header.Get("If-None-Match"); match != "" && strings.Contains(match, etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// acceptsGzip reads an Accept-Encoding header: gzip named without a zero weight.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		_, weight, found := strings.Cut(params, "q=")
		q, err := strconv.ParseFloat(strings.TrimSpace(weight), 64)
		return !found || err == nil && q > 0
	}
	return false
}

// protect sets what every answer of the console tells a browser.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
}
