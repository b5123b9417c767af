package statement_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

const referencePage = "../../docs/reference/statements.md"

// rows are the lines of the page's table, field by field.
func rows(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for line := range strings.Lines(string(page)) {
		fields := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(fields) != 7 || !strings.HasPrefix(fields[0], " `") {
			continue
		}
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		found[strings.Trim(fields[0], "`")] = fields
	}
	return found
}

func TestTheReferenceListsEveryKind(t *testing.T) {
	list := rows(t)
	for _, k := range statement.Kinds() {
		if list[string(k)] == nil {
			t.Errorf("%s is not in the table", k)
		}
		delete(list, string(k))
	}
	for name := range list {
		t.Errorf("the table has %q, which is no kind", name)
	}
}

func TestTheReferenceNamesEveryGoldenFile(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)]*)\)`)
	named := map[string]bool{}
	for kind, row := range rows(t) {
		for _, m := range link.FindAllStringSubmatch(row[6], -1) {
			path := filepath.Join(filepath.Dir(referencePage), m[1])
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Errorf("%s: %v", kind, err)
				continue
			}
			var g golden
			mustUnmarshal(t, raw, &g)
			if got, err := statement.KindOf(g.Envelope); err != nil || string(got) != kind {
				t.Errorf("%s: %s holds a %s, %v", kind, m[1], got, err)
			}
			named[strings.TrimSuffix(filepath.Base(path), ".json")] = true
		}
	}
	for _, g := range goldens(t) {
		if !named[g.name] {
			t.Errorf("the table does not name %s", g.name)
		}
	}
}

// Whom the page calls the signer must suffice, and nobody else may.
func TestWhoSignsIsWhatTheReferenceSays(t *testing.T) {
	sets := map[string][]string{"server": {"server"}, "m": {"bob", "cid"}, "author and m": {"ann", "bob", "cid"}, "lab": {"lab"}}
	less := map[string][]string{"m": {"bob", "lab"}, "author and m": {"ann", "bob", "server"}}
	w := newWorld(t)
	list := rows(t)
	for _, e := range w.examples() {
		said := list[string(e.kind)][2]
		if sets[said] == nil {
			t.Errorf("%s: nobody knows the signers %q", e.kind, said)
			continue
		}
		for name, who := range sets {
			err := open(w.mustSign(e.kind, e.body, who...), e.kind, w.trust)
			wanted := name == said || said == "m" && name == "author and m" // three persons are two at least
			if (err == nil) != wanted {
				t.Errorf("%s, which is signed by %s: signed by %v: %v", e.kind, said, who, err)
			}
		}
		if who := less[said]; who != nil && open(w.mustSign(e.kind, e.body, who...), e.kind, w.trust) == nil {
			t.Errorf("%s opens with %v", e.kind, who)
		}
	}
}

// A statement with not_after ends then, and no other does by the wall clock.
func TestWhatEndsAStatementIsWhatTheReferenceSays(t *testing.T) {
	w := newWorld(t)
	list := rows(t)
	var ends []string
	late := func(raw []byte, kind statement.Kind) (err error) {
		at := now.AddDate(2, 0, 0)
		switch kind {
		case statement.KindPlan:
			_, _, err = statement.OpenPlan(raw, w.trust, at)
		case statement.KindClear:
			_, err = statement.OpenClear(raw, w.trust, at)
		case statement.KindTemplate:
			_, err = statement.OpenTemplate(raw, w.trust, at)
		case statement.KindDowngrade:
			_, err = statement.OpenDowngrade(raw, w.trust, at)
		case statement.KindWaiver:
			_, _, err = statement.OpenWaiver(raw, w.trust, at)
		default:
			err = open(raw, kind, w.trust) // is told no time
		}
		return err
	}
	for _, e := range w.examples() {
		err := late(w.mustSign(e.kind, e.body, e.signers...), e.kind)
		if expires := list[string(e.kind)][4] == "`not_after`"; expires != (err != nil) {
			t.Errorf("%s: its life is %s, and two years later: %v", e.kind, list[string(e.kind)][4], err)
		}
		if err != nil {
			ends = append(ends, string(e.kind))
			if code := statement.ReasonOf(err).Code; !slices.Contains([]hotstick.ReasonCode{hotstick.ReasonGrantExpired, hotstick.ReasonPlanExpired}, code) {
				t.Errorf("%s: refused for %s", e.kind, code)
			}
		}
	}
	if len(ends) < 5 || time.Duration(statement.MaxGrantSeconds)*time.Second != time.Minute {
		t.Errorf("only %v end", ends)
	}
}
