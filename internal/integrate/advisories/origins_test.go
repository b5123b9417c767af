package advisories_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/hotstick/hotstick/internal/integrate/advisories"
	"github.com/hotstick/hotstick/internal/integrate/advisories/origin"
)

type entry struct {
	name string
	data []byte
}

func record(cve int) []byte {
	return fmt.Appendf(nil, `{"id":"CVE-2026-%d","modified":"2026-11-04T12:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"linux"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}`, cve)
}

var records = []entry{{"a/1.json", record(98001)}, {"a/2.json", record(98002)}, {"a/broken.json", []byte("{")}, {"a/3.json", record(98003)}}

func tarred(entries []entry, more ...tar.Header) []byte {
	var out bytes.Buffer
	t := tar.NewWriter(&out)
	for _, h := range more {
		_ = t.WriteHeader(&h)
	}
	for _, e := range entries {
		_ = t.WriteHeader(&tar.Header{Name: e.name, Size: int64(len(e.data)), Mode: 0o644, Typeflag: tar.TypeReg, Format: tar.FormatPAX})
		_, _ = t.Write(e.data)
	}
	_ = t.Close()
	return out.Bytes()
}

func zipped(entries []entry) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, e := range entries {
		w, _ := z.Create(e.name)
		_, _ = w.Write(e.data)
	}
	_ = z.Close()
	return out.Bytes()
}

func gzipped(data []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(data)
	_ = z.Close()
	return out.Bytes()
}

func zstandard(data []byte) []byte {
	z, _ := zstd.NewWriter(nil)
	return z.EncodeAll(data, nil)
}

// place writes a file whose name says nothing.
func place(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "feed.txt")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func ids(b *book) string {
	var list []string
	for _, d := range b.documents {
		list = append(list, d.ID)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

const threeRecords = "CVE-2026-98001 CVE-2026-98002 CVE-2026-98003"

func TestEveryOriginGivesTheSameDocuments(t *testing.T) {
	dir := t.TempDir()
	for _, e := range append(records, entry{"index.txt", []byte("a/1.json\n")}, entry{"a/1.json.asc", []byte("-----BEGIN PGP SIGNATURE-----\n")},
		entry{"a/1.json.sha256", []byte(strings.Repeat("0a", 32) + "  1.json\n")}) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(e.name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, e.name), e.data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	archive := tarred(records)
	packed := make([]entry, len(records))
	for i, e := range records {
		packed[i] = entry{e.name, gzipped(e.data)}
	}
	places := map[string]string{
		"directory": dir, "zip": place(t, zipped(records)), "tar": place(t, archive), "tar.gz": place(t, gzipped(archive)),
		"tar.zst": place(t, zstandard(archive)), "tar of packed documents": place(t, zstandard(tarred(packed))),
	}
	for what := range places {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, places[what]) }))
		defer server.Close()
		for how, location := range map[string]string{"path": places[what], "address": server.URL + "/feed"} {
			if what == "directory" && how == "address" {
				continue // TestADirectoryOfDocumentsIsFollowed
			}
			b := &book{}
			i := importer()
			i.Client, i.Spool = origin.NewClient(http.DefaultTransport, time.Minute), t.TempDir()
			r, err := i.Import(context.Background(), advisories.Feed{Name: "test", Location: location}, b)
			if err != nil || ids(b) != threeRecords || len(b.refused) != 1 || !strings.HasSuffix(b.refused[0].Name, "a/broken.json") {
				t.Errorf("%s by %s: %v, %q, refused %v", what, how, err, ids(b), b.refused)
			}
			if what == "directory" && r.Beside != 3 {
				t.Errorf("%s: %d files beside", what, r.Beside)
			}
			if left, _ := os.ReadDir(i.Spool); len(left) > 0 {
				t.Errorf("%s by %s left %v behind", what, how, left)
			}
		}
	}
}

func TestADocumentMayStandAlone(t *testing.T) {
	one := records[0].data
	for what, data := range map[string][]byte{"plain": one, "gz": gzipped(one), "zst": zstandard(one), "twice": gzipped(zstandard(one))} {
		if b, _ := mustImport(t, place(t, data)); ids(b) != "CVE-2026-98001" {
			t.Errorf("%s: %q %v", what, ids(b), b.refused)
		}
	}
}

func TestBombsAndTrapsAreRefused(t *testing.T) {
	bomb := gzipped(make([]byte, 8<<20))
	small := func(l *origin.Limits) { l.Document = 1 << 20 }
	good := records[0]
	for what, c := range map[string]struct {
		data   []byte
		limits func(*origin.Limits)
		why    string
		rest   bool // the good record beside it is still read
	}{
		"a gzip bomb":                   {bomb, small, "longer than", false},
		"a zstandard bomb":              {zstandard(make([]byte, 8<<20)), small, "longer than", false},
		"a bomb in a tar":               {tarred([]entry{{"b", bomb}, good}), small, "longer than", true},
		"a bomb in a zip":               {zipped([]entry{{"b", make([]byte, 8<<20)}, good}), small, "longer than", true},
		"packed again and again":        {gzipped(gzipped(gzipped(gzipped(gzipped([]byte("{}")))))), nil, "packed more than", false},
		"an archive in an archive":      {tarred([]entry{{"x.tar", tarred(records)}, good}), nil, "archive in another", true},
		"a zip in a tar":                {tarred([]entry{{"x.zip", zipped(records)}, good}), nil, "archive in another", true},
		"a packed zip":                  {gzipped(zipped(records)), nil, "archive in another", false},
		"a tar entry that leads out":    {tarred([]entry{{"../../etc/passwd", good.data}, good}), nil, "leads out", true},
		"an absolute tar entry":         {tarred([]entry{{"/etc/passwd", good.data}, good}), nil, "leads out", true},
		"a zip entry that leads out":    {zipped([]entry{{"a/../../x", good.data}, good}), nil, "leads out", true},
		"a zip entry with backslashes":  {zipped([]entry{{`..\x`, good.data}, good}), nil, "leads out", true},
		"a link in a tar":               {tarred([]entry{good}, tar.Header{Name: "l", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}), nil, "not a regular file", true},
		"a device in a tar":             {tarred([]entry{good}, tar.Header{Name: "d", Typeflag: tar.TypeChar}), nil, "not a regular file", true},
		"a tar that ends early":         {tarred([]entry{good, {"big", make([]byte, 4096)}})[:2048+512], nil, "", true},
		"a zip with too many entries":   {zipped(slices.Repeat([]entry{{strings.Repeat("n", 200), nil}}, 2000)), func(l *origin.Limits) { l.Directory = 64 << 10 }, "list of contents", false},
		"a gzip that ends early":        {gzipped(good.data)[:40], nil, "EOF", false},
		"a zip that is only its header": {[]byte("PK\x03\x04 and no more than this"), nil, "zip", false},
	} {
		i := importer()
		if c.limits != nil {
			c.limits(&i.Limits)
		}
		b := &book{}
		_, err := i.Import(context.Background(), advisories.Feed{Name: "test", Location: place(t, c.data)}, b)
		if len(b.refused) == 0 || !strings.Contains(b.refused[0].Err.Error(), c.why) {
			t.Errorf("%s: %v, refused %v", what, err, b.refused)
		}
		if rest := ids(b) == "CVE-2026-98001"; rest != c.rest || (err == nil) != c.rest {
			t.Errorf("%s: read %q, %v", what, ids(b), err)
		}
	}
}

func TestTheWholeHasLimitsToo(t *testing.T) {
	many := tarred(slices.Repeat([]entry{{"x", record(98001)}}, 50))
	for what, limit := range map[string]func(*origin.Limits){
		"bytes":     func(l *origin.Limits) { l.Total = 10_000 },
		"documents": func(l *origin.Limits) { l.Documents = 10 },
	} {
		i := importer()
		limit(&i.Limits)
		b := &book{}
		_, err := i.Import(context.Background(), advisories.Feed{Name: "test", Location: place(t, gzipped(many))}, b)
		if !errors.Is(err, origin.ErrLimit) || len(b.documents) > 12 {
			t.Errorf("%s: %v after %d documents", what, err, len(b.documents))
		}
	}
}

func TestLinksAreNotFollowedOutOfADirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(place(t, records[0].data), filepath.Join(dir, "1.json")); err != nil {
		t.Fatal(err)
	}
	b := &book{}
	if _, err := importer().Import(context.Background(), advisories.Feed{Name: "test", Location: dir}, b); err == nil || len(b.refused) != 1 {
		t.Errorf("%v, read %q", err, ids(b))
	}
}

// provider is a CSAF provider's directory on the web.
type provider struct {
	files map[string]string
	asked []string
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked = append(p.asked, r.URL.Path)
	text, is := p.files[r.URL.Path]
	if !is {
		http.NotFound(w, r)
		return
	}
	etag := fmt.Sprintf("%q", fmt.Sprint(len(text)))
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = io.WriteString(w, text)
}

func same(a, b advisories.Mark) bool {
	return a.ETag == b.ETag && maps.EqualFunc(a.Times, b.Times, time.Time.Equal)
}

// A document that arrives by half or cannot be read is fetched again, though others with later
// times were read since.
func TestWhatWasNotReadIsFetchedAgain(t *testing.T) {
	for what, bad := range map[string]func(http.ResponseWriter){
		"cut short": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(record(98002)[:100])
		},
		"no document":  func(w http.ResponseWriter) { _, _ = w.Write(record(98002)[:100]) },
		"packed badly": func(w http.ResponseWriter) { _, _ = w.Write(gzipped(record(98002))[:50]) },
	} {
		p := &provider{files: map[string]string{
			"/vex/changes.csv": "\"1.json\",\"2026-11-02T00:00:00Z\"\n\"2.json\",\"2026-11-01T00:00:00Z\"\n\"3.json\",\"2026-11-03T00:00:00Z\"\n",
			"/vex/1.json":      string(record(98001)), "/vex/2.json": string(record(98002)), "/vex/3.json": string(record(98003)),
		}}
		broken := true
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if broken && r.URL.Path == "/vex/2.json" {
				bad(w)
				return
			}
			p.ServeHTTP(w, r)
		}))
		defer server.Close()
		i := importer()
		i.Client, i.Spool = origin.NewClient(http.DefaultTransport, time.Minute), t.TempDir()
		for _, location := range []string{"/vex/", "/vex/2.json"} {
			feed := advisories.Feed{Name: "test", Location: server.URL + location}
			b := &book{}
			broken = true
			r, err := i.Import(context.Background(), feed, b)
			if list := location == "/vex/"; (err == nil) != list || len(b.refused) > 1 || r.Mark.ETag != "" || list && (r.Missed != 1 || len(r.Mark.Times) != 2) {
				t.Fatalf("%s, %s: %v %+v %v", what, location, err, r, b.refused)
			}
			b, broken, feed.Mark = &book{}, false, r.Mark
			if r, err = i.Import(context.Background(), feed, b); err != nil || ids(b) != "CVE-2026-98002" || r.Missed != 0 || r.Mark.ETag == "" {
				t.Errorf("%s, %s: again %v %q %+v", what, location, err, ids(b), r)
			}
		}
	}
}

// An archive is fetched whole or not at all: with a document that could not be read in it, its
// ETag says nothing.
func TestAnArchiveThatWasNotReadWhollyIsFetchedAgain(t *testing.T) {
	for what, c := range map[string]struct {
		data  []byte
		whole bool
	}{
		"whole": {tarred(records[:2]), true}, "with a broken document": {tarred(records), false}, "broken": {tarred(records[:2])[:1600], false},
	} {
		server := httptest.NewServer(&provider{files: map[string]string{"/all.tar": string(c.data)}})
		defer server.Close()
		i := importer()
		i.Client, i.Spool = origin.NewClient(http.DefaultTransport, time.Minute), t.TempDir()
		r, err := i.Import(context.Background(), advisories.Feed{Name: "test", Location: server.URL + "/all.tar"}, &book{})
		if err != nil || (r.Mark.ETag != "") != c.whole || (r.Missed == 0) != c.whole {
			t.Errorf("%s: %v %+v", what, err, r)
		}
	}
}

func TestADirectoryWhoseDocumentsAllBreakIsGivenUp(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".csv") {
			_, _ = io.WriteString(w, numbered(100, "%d.json,2026-11-02T00:00:00Z\n"))
			return
		}
		asked++
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write(record(98001))
	}))
	defer server.Close()
	i := importer()
	i.Client, i.Spool = origin.NewClient(http.DefaultTransport, time.Minute), t.TempDir()
	if r, err := i.Import(context.Background(), advisories.Feed{Name: "test", Location: server.URL + "/changes.csv"}, &book{}); err == nil || asked > 30 || len(r.Mark.Times) > 0 {
		t.Errorf("%v %+v after %d requests", err, r, asked)
	}
}

func TestADirectoryOfDocumentsIsFollowed(t *testing.T) {
	p := &provider{files: map[string]string{
		"/vex/changes.csv":     "\"2026/cve-1.json\",\"2026-11-02T00:00:00+00:00\"\n\"2026/cve-2.json\",\"2026-11-01T00:00:00+00:00\"\n\"2026/gone.json\",\"2026-10-01T00:00:00Z\"\n",
		"/vex/2026/cve-1.json": string(record(98001)),
		"/vex/2026/cve-2.json": string(record(98002)),
		"/index/index.txt":     "cve-3.json\n",
		"/index/cve-3.json":    string(record(98003)),
		"/bad/changes.csv":     "\"1.json\",\"2026-11-02T00:00:00Z\"\n\"../../secret.json\",\"2026-11-02T00:00:00Z\"\n",
		"/elsewhere/index.txt": "ok.json\nhttp://127.0.0.1/x.json\n",
		"/quick/changes.csv":   "\"1.json\",\"soon\"\n",
		"/missing/index.txt":   numbered(100, "nothing-%d.json\n"),
	}}
	server := httptest.NewServer(p)
	defer server.Close()
	i := importer()
	i.Client, i.Spool = origin.NewClient(http.DefaultTransport, time.Minute), t.TempDir()
	do := func(path string, mark advisories.Mark) (*book, advisories.Result, error) {
		b := &book{}
		p.asked = nil
		r, err := i.Import(context.Background(), advisories.Feed{Name: "test", Location: server.URL + path, Mark: mark}, b)
		return b, r, err
	}

	b, r, err := do("/vex/", advisories.Mark{})
	if err != nil || ids(b) != "CVE-2026-98001 CVE-2026-98002" || len(b.refused) != 1 || r.Missed != 1 || r.Mark.ETag != "" || len(r.Mark.Times) != 2 {
		t.Fatalf("%v %q %v %+v: a document was missed", err, ids(b), b.refused, r)
	}
	p.files["/vex/2026/gone.json"] = string(record(98003))
	if b, r, err = do("/vex/", r.Mark); err != nil || ids(b) != "CVE-2026-98003" || r.Mark.ETag == "" || len(r.Mark.Times) != 3 {
		t.Fatalf("what was missed: %v %q %+v", err, ids(b), r)
	}
	mark := r.Mark
	if b, r, err = do("/vex/", mark); err != nil || !r.Unchanged || len(b.documents) != 0 || !same(r.Mark, mark) || len(p.asked) != 1 {
		t.Fatalf("unchanged: %v %+v %v", err, r, p.asked)
	}
	p.files["/vex/changes.csv"] = "\"2026/cve-2.json\",\"2026-11-05T00:00:00+00:00\"\n" + p.files["/vex/changes.csv"]
	if b, r, err = do("/vex/", mark); err != nil || ids(b) != "CVE-2026-98002" || r.Mark.Times["2026/cve-2.json"].Day() != 5 {
		t.Fatalf("one changed: %v %q %+v", err, ids(b), r)
	}
	if b, _, err = do("/index/", advisories.Mark{}); err != nil || ids(b) != "CVE-2026-98003" {
		t.Errorf("index.txt: %v %q", err, ids(b))
	}
	for _, path := range []string{"/bad/", "/elsewhere/index.txt", "/quick/changes.csv", "/missing/", "/nowhere/"} {
		b, r, err := do(path, mark)
		if err == nil || len(b.documents) != 0 || !same(r.Mark, mark) || len(p.asked) > 30 {
			t.Errorf("%s: %v %+v after %d requests", path, err, r, len(p.asked))
		}
		t.Log(err)
	}
}

func TestOnlyHTTPIsAskedAndRedirectsStay(t *testing.T) {
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/round" {
			http.Redirect(w, r, "/round", http.StatusFound)
			return
		}
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(http.StatusFound)
	}))
	defer away.Close()
	i := importer()
	i.Client = origin.NewClient(http.DefaultTransport, time.Minute)
	for location, why := range map[string]string{
		away.URL + "/file": "cannot follow a redirect", away.URL + "/round": "redirects", "https://": "want an http", "http:///x": "want an http", "file:///etc/passwd": "no such file",
	} {
		if _, err := i.Import(context.Background(), advisories.Feed{Name: "test", Location: location}, &book{}); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", location, err, why)
		}
	}
}

func TestALongDownloadIsCutOff(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) }))
	defer server.Close()
	i := importer()
	i.Client, i.Limits.Download, i.Spool = origin.NewClient(http.DefaultTransport, time.Minute), 1000, t.TempDir()
	if _, err := i.Import(context.Background(), advisories.Feed{Name: "test", Location: server.URL + "/x"}, &book{}); !errors.Is(err, origin.ErrLimit) {
		t.Error(err)
	}
}

func TestAnImportThatIsCalledOffEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b := &book{}
	if _, err := importer().Import(ctx, advisories.Feed{Name: "test", Location: place(t, gzipped(tarred(records)))}, b); err == nil || len(b.documents) > 0 {
		t.Errorf("%v after %d documents", err, len(b.documents))
	}
}
