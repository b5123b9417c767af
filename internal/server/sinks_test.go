package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store/memory"
	"github.com/hotstick/hotstick/internal/wire"
)

// markup is what a hostile host calls itself: HTML, a terminal's escapes, a line end
// and a forged log line, a label's end, another direction, a spreadsheet's formula.
const markup = "=cmd()<script>alert(1)</script>\x1b[2J\a\"} 1\nlevel=ERROR msg=forged\r\u202e\u009b2J"

// A sink is where a host's own words come out: answers, logs and metrics. (The
// console's are in internal/ui/web/test/hostile.test.js, the command line's in
// internal/cli/testdata/script/terminal.txtar.)
func TestAHostsWordsAreOpaqueAtEverySink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, memory.Open(time.Now))
	kept := &keptLog{}
	w.options.Log = slog.New(slog.NewJSONHandler(kept, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.stop()
	w.start()
	calm := w.enrol("calm", buildA)
	if _, err := calm.checkIn(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	before := w.series()
	for i := range 30 {
		h := w.enrol(fmt.Sprint(markup, i), buildA)
		req := h.message(0)
		req.Facts.Host.Distribution = fmt.Sprint(markup, i)
		req.Facts.Labels = map[string]string{"rack": fmt.Sprint(markup, i)}
		req.Readings[0].Probe = fmt.Sprint(markup, i)
		req.Loader.Refusals = []wire.DocumentRefusal{{Document: hotstick.NewDigest([]byte{byte(i)}), Reason: hotstick.Reason{Code: hotstick.ReasonSignature, Detail: fmt.Sprint(markup, i)}}}
		var answer wire.SyncResponse
		if status, err := h.post("/agent/v1/sync", req, &answer); status != http.StatusOK && status != http.StatusBadRequest {
			t.Fatalf("%d %v", status, err)
		}
		w.ask("GET", fmt.Sprintf("/nowhere/%d", i), "")
		w.ask(fmt.Sprintf("M%d", i), "/api/v1/hosts", "")
	}
	if after := w.series(); !slices.Equal(after, before) {
		t.Errorf("30 hosts and 60 strange requests made new series:\n%s\nbefore:\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	for _, path := range []string{"/api/v1/hosts", "/api/v1/events", "/api/v1/overview"} {
		a := w.ask("GET", path, "", "Authorization", w.bearer("viewer"))
		if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s answers %d as %q, %q", path, a.status, a.header.Get("Content-Type"), a.header.Get("X-Content-Type-Options"))
		}
		wantPlain(t, path, a.body)
	}
	if a := w.ask("GET", "/api/v1/hosts", "", "Authorization", w.bearer("viewer")); !strings.Contains(a.body, "alert(1)") {
		t.Error("no hostile host is listed, so nothing was tested")
	}
	lines := strings.Split(strings.TrimSuffix(kept.String(), "\n"), "\n")
	for _, line := range lines {
		if !strings.HasPrefix(line, `{"time":`) || !strings.HasSuffix(line, "}") {
			t.Errorf("a host wrote a line of the log: %q", line)
		}
		wantPlain(t, "the log", line)
	}
}

// wantPlain refuses text that moves a terminal's cursor.
func wantPlain(t *testing.T, where, text string) {
	t.Helper()
	if i := strings.IndexFunc(text, func(r rune) bool { return unicode.Is(unicode.Cc, r) && r != '\n' && r >= 0 && r < 0x80 }); i >= 0 {
		t.Errorf("%s has a control character: %q", where, text[max(0, i-20):min(len(text), i+20)])
	}
}

var unlabelled = regexp.MustCompile(` [^ ]+$`)

// series returns the names and labels of all that /metrics shows, but for the
// histograms' buckets and what the requests of the test itself are counted by.
func (w *world) series() (names []string) {
	w.Helper()
	a := w.ask("GET", "/metrics", "", "Authorization", w.bearer("viewer"))
	if a.status != http.StatusOK {
		w.Fatalf("/metrics answers %d %s", a.status, a.body)
	}
	if strings.Contains(a.body, "nowhere") || strings.Contains(a.body, `"M1`) || strings.Contains(a.body, "alert") {
		w.Errorf("a stranger chose a label:\n%s", a.body)
	}
	for line := range strings.Lines(a.body) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(line, "_http_request") {
			names = append(names, unlabelled.ReplaceAllString(strings.TrimSpace(line), ""))
		}
	}
	slices.Sort(names)
	return names
}

// keptLog is a log that may be read while a server writes to it.
type keptLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (k *keptLog) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.buf.Write(p)
}

func (k *keptLog) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.buf.String()
}
