package trace_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

var update = flag.Bool("update", false, "write the golden file and the reference anew")

// examples is one event of each kind but the opening one, with every field in use
// somewhere.
func examples() []trace.Event {
	var events []trace.Event
	for i, k := range trace.Kinds()[1:] {
		events = append(events, trace.Event{T: int64(i + 1), Node: "loader", Kind: k, Host: "h-abcdefghijklmnop"})
	}
	events[0].Cause, events[0].Detail = "partition", "server to h-abcdefghijklmnop"
	body, err := json.Marshal(trace.PlanBody{Plan: hotstick.Plan{Name: "close it"}, Hosts: []hotstick.PlanHost{{Host: "h-abcdefghijklmnop"}}, Approvers: []hotstick.Person{"bob"}})
	if err != nil {
		panic(err)
	}
	events[1].Body = body
	last := &events[len(events)-1]
	last.Boot, last.Plan, last.Epoch, last.Generation, last.Attempt, last.Wave = "boot-1", hotstick.NewDigest([]byte("plan")), 3, 7, 2, 1
	last.Patch, last.Artifact = hotstick.PatchRef{Name: "unix-ioctl", Level: 2}, hotstick.NewDigest([]byte("module"))
	last.From, last.To, last.Grant = "armed", "applying", hotstick.NewDigest([]byte("grant"))
	last.Domains, last.Uptime = map[string]string{"rack": "a3", "fleet": ""}, 61_000
	return events
}

func written(t *testing.T, events []trace.Event) []byte {
	t.Helper()
	var out bytes.Buffer
	w := trace.NewWriter(&out, func() time.Time { return time.Unix(0, 99) })
	for _, e := range events {
		w.Emit(e)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// The golden file freezes the schema: whatever wrote it once must be read for ever,
// and no field may change its name or its meaning.
func TestTheSchemaIsFrozen(t *testing.T) {
	path := filepath.Join("testdata", "v1.jsonl")
	got := written(t, examples())
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(golden) {
		t.Errorf("the schema has changed:\n%s\nit was\n%s", got, golden)
	}
	events, err := trace.ReadAll(bytes.NewReader(golden))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(events, examples()) {
		t.Errorf("read %+v", events)
	}
	used := map[string]bool{}
	for _, e := range events {
		v := reflect.ValueOf(e)
		for i := range v.NumField() {
			used[v.Type().Field(i).Name] = used[v.Type().Field(i).Name] || !v.Field(i).IsZero()
		}
	}
	for name, ok := range used {
		if !ok {
			t.Errorf("no example fills %s: the golden file does not freeze it", name)
		}
	}
}

func TestEveryKindIsListed(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "trace.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []trace.Kind
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Kind") {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		declared = append(declared, trace.Kind(value))
		return true
	})
	if !slices.Equal(declared, trace.Kinds()) {
		t.Errorf("declared are %v, listed %v", declared, trace.Kinds())
	}
}

func TestAReaderRefusesWhatIsNoTrace(t *testing.T) {
	begin := `{"t":0,"node":"","kind":"begin","detail":"hotstick/trace/v1"}` + "\n"
	for _, c := range []struct{ what, text, want string }{
		{"nothing", "", "EOF"},
		{"no beginning", `{"t":1,"kind":"boot"}` + "\n", "begins with"},
		{"a newer schema", strings.Replace(begin, "v1", "v2", 1), "trace/v2"},
		{"a second beginning", begin + begin, "second"},
		{"a kind of a newer schema", begin + `{"t":1,"kind":"reborn"}` + "\n", "reborn"},
		{"a line that is no event", begin + "[]\n", "line 2"},
		{"an empty line", begin + "\n", "line 2"},
		{"a last line that is cut off", begin + `{"t":1,"kind":"boot"`, "unexpected EOF"},
		{"a last line without its end", begin + `{"t":1,"kind":"boot"}`, "unexpected EOF"},
		{"a field of another type", begin + `{"t":"now","kind":"boot"}` + "\n", "line 2"},
	} {
		if _, err := trace.ReadAll(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	events, err := trace.ReadAll(strings.NewReader(begin + `{"t":1,"kind":"boot","weather":{"rain":true}}` + "\n"))
	if err != nil || len(events) != 1 || events[0].Kind != trace.KindBoot {
		t.Errorf("a field that is not known yet: %v, %v", events, err)
	}
	stop := errors.New("enough")
	if err := trace.Read(bytes.NewReader(written(t, examples())), func(trace.Event) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the reader went on: %v", err)
	}
}

func TestEventsWithoutATimeGetIt(t *testing.T) {
	events, err := trace.ReadAll(bytes.NewReader(written(t, []trace.Event{{Kind: trace.KindBoot}, {T: 5, Kind: trace.KindDown}})))
	if err != nil || events[0].T != 99 || events[1].T != 5 {
		t.Errorf("%v, %v", events, err)
	}
}

func TestManyMayWriteAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.jsonl")
	var all sync.WaitGroup
	for range 2 { // two lives of one program
		w, err := trace.Append(path)
		if err != nil {
			t.Fatal(err)
		}
		for node := range 4 {
			all.Go(func() {
				for range 100 {
					w.Emit(trace.Event{Kind: trace.KindPhase, Node: fmt.Sprint(node), Detail: strings.Repeat("x", 200)})
				}
			})
		}
		all.Wait()
		// Every line is there before anybody closes: the program may die.
		if f, err := os.Open(path); err != nil {
			t.Fatal(err)
		} else if events, err := trace.ReadAll(f); err != nil || len(events)%400 != 0 || len(events) == 0 {
			t.Errorf("%d events, %v", len(events), err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if events, err := trace.ReadAll(bytes.NewReader(data)); err != nil || len(events) != 800 {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// full is a disk that takes so many bytes.
type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestAWriterThatCannotWriteSaysSoAtTheEnd(t *testing.T) {
	w := trace.NewWriter(&full{room: 100_000}, time.Now)
	for range 2000 {
		w.Emit(trace.Event{Kind: trace.KindPhase, Detail: strings.Repeat("x", 200)})
	}
	if err := w.Close(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("closed with %v", err)
	}
	w.Emit(trace.Event{Kind: trace.KindPhase})
	if err := w.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed again with %v", err)
	}
	if _, err := trace.Append(t.TempDir()); err == nil {
		t.Error("a directory was opened as a trace")
	}
}

func BenchmarkEmit(b *testing.B) {
	w := trace.NewWriter(io.Discard, time.Now)
	e := examples()[len(examples())-1]
	b.ReportAllocs()
	for b.Loop() {
		w.Emit(e)
	}
}
