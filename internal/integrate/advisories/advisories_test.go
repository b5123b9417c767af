package advisories_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/integrate/advisories"
)

var update = flag.Bool("update", false, "write the golden files anew")

var fetched = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

// book is a sink that writes down what it gets.
type book struct {
	documents []advisories.Document
	known     []hotstick.Vulnerability
	refused   []advisories.Refusal
	full      error
}

func (b *book) Document(d advisories.Document) error {
	b.documents = append(b.documents, d)
	for v := range d.Vulnerabilities {
		b.known = append(b.known, v)
	}
	return b.full
}

func (b *book) Refused(r advisories.Refusal) error { b.refused = append(b.refused, r); return nil }

func importer() advisories.Importer {
	return advisories.Importer{Now: func() time.Time { return fetched }, Order: byNumbers, Limits: advisories.DefaultLimits()}
}

// byNumbers is enough of an order for the versions of the test documents.
func byNumbers(_ hotstick.VersionScheme, a, b string) (int, error) {
	split := func(v string) []string {
		return strings.FieldsFunc(v, func(r rune) bool { return r == '.' || r == '-' })
	}
	x, y := split(a), split(b)
	for i := range min(len(x), len(y)) {
		var n, m int
		if _, err := fmt.Sscan(x[i], &n); err != nil {
			return 0, fmt.Errorf("cannot compare %q: %w", a, err)
		}
		if _, err := fmt.Sscan(y[i], &m); err != nil {
			return 0, fmt.Errorf("cannot compare %q: %w", b, err)
		}
		if n != m {
			return n - m, nil
		}
	}
	return len(x) - len(y), nil
}

func mustImport(t *testing.T, location string) (*book, advisories.Result) {
	t.Helper()
	b := &book{}
	r, err := importer().Import(context.Background(), advisories.Feed{Name: "test", Location: location}, b)
	if err != nil {
		t.Fatal(err)
	}
	return b, r
}

// write draws what was said, one line for each part.
func write(out *strings.Builder, d advisories.Document, known []hotstick.Vulnerability) {
	fmt.Fprintf(out, "== %s: %s, %s", d.Name, d.ID, d.Modified.UTC().Format(time.RFC3339))
	if d.Withdrawn {
		out.WriteString(", withdrawn")
	}
	out.WriteString("\n")
	for _, a := range d.Advisories {
		fmt.Fprintf(out, "%s %s %s (%s) %s %s", a.CVE, a.Product.Distribution, a.Product.Package, a.Product.Scheme, a.Status, a.Justification)
		for _, r := range a.Ranges {
			end := "never fixed"
			if r.Fixed != "" {
				end = "before " + r.Fixed
			} else if r.LastAffected != "" {
				end = "to " + r.LastAffected
			}
			fmt.Fprintf(out, " [from %q %s]", r.Introduced, end)
		}
		if a.Unreadable {
			out.WriteString(" and more that cannot be read")
		}
		out.WriteString("\n")
	}
	for _, v := range known {
		fmt.Fprintf(out, "%s %q", v.CVE, v.Summary)
		if !v.Published.IsZero() {
			fmt.Fprintf(out, " published %s", v.Published.UTC().Format(time.DateOnly))
		}
		for _, s := range v.Scores {
			fmt.Fprintf(out, " %s=%.1f by %s", s.Version, s.Base, s.Source)
		}
		if e := v.Exploited; e != nil {
			fmt.Fprintf(out, " exploited %s due %s ransomware %v", e.Added.Format(time.DateOnly), e.Due.Format(time.DateOnly), e.Ransomware)
		}
		if p := v.Prediction; p != nil {
			fmt.Fprintf(out, " predicted %g, %g on %s", p.Probability, p.Percentile, p.Date.Format(time.DateOnly))
		}
		out.WriteString("\n")
	}
	for _, u := range d.Unread {
		fmt.Fprintf(out, "left out: %s %s: %s\n", u.CVE, u.Product, u.Why)
	}
}

func TestWhatEveryVendorWritesIsRead(t *testing.T) {
	var out strings.Builder
	names, err := os.ReadDir("testdata/docs")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		b, r := mustImport(t, filepath.Join("testdata/docs", n.Name()))
		if r.Documents != 1 || len(b.refused) > 0 {
			t.Fatalf("%s: %+v, %v", n.Name(), r, b.refused)
		}
		d := b.documents[0]
		data, err := os.ReadFile(filepath.Join("testdata/docs", n.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(d.Source, hotstick.AdvisorySource{Feed: "test", Document: d.ID, Digest: hotstick.NewDigest(data), Fetched: fetched}) {
			t.Errorf("%s comes from %+v", n.Name(), d.Source)
		}
		write(&out, d, b.known)
	}
	const golden = "testdata/golden.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("what is read is not what %s says:\n%s", golden, out.String())
	}
}

func TestWithoutAnOrderSeveralFixesBoundNothing(t *testing.T) {
	i := importer()
	i.Order = nil
	b := &book{}
	r, err := i.Import(context.Background(), advisories.Feed{Name: "test", Location: "testdata/docs/csaf-redhat-vex.json"}, b)
	if err != nil || r.Unread != 1 || b.documents[0].Unread[0].Product != "rhel:9 kernel" {
		t.Fatalf("%+v %v %+v", r, err, b.documents[0].Unread)
	}
	for _, a := range b.documents[0].Advisories {
		if rhel9 := a.Product.Distribution == "rhel:9"; rhel9 != a.Unreadable || rhel9 && len(a.Ranges) > 0 {
			t.Errorf("it guessed %+v", a)
		}
	}
}

// numbered repeats a part with numbers of four digits.
func numbered(n int, part string) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, part, 1000+i)
	}
	return out.String()
}

// deep returns so many arrays in each other.
func deep(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

const (
	osvHead  = `{"id":"CVE-2026-98022","modified":"2026-11-04T12:00:00Z"`
	csafHead = `{"document":{"csaf_version":"2.0","tracking":{"id":"X","current_release_date":"2026-11-04T12:00:00Z"}}`
	tree     = `"product_tree":{"branches":[{"category":"product_version","name":"kernel-0:1-1.src","product":{"name":"k","product_id":"k"}},` +
		`{"category":"product_name","name":"x","product":{"name":"x","product_id":"rhel","product_identification_helper":{"cpe":"cpe:/o:redhat:enterprise_linux:9"}}}],`
	kevHead = `{"catalogVersion":"1","dateReleased":"2026-11-12T18:00:05Z",`
	epss    = "#model_version:v1,score_date:2026-11-20T00:00:00Z\ncve,epss,percentile\n"
)

func TestHostileDocumentsAreRefusedWithAReason(t *testing.T) {
	for what, c := range map[string]struct{ data, why string }{
		"nothing":                         {"", "not in OSV"},
		"bytes":                           {"\xff\xfe\x00", "no text"},
		"another format":                  {"<oval/>", "not in OSV"},
		"a list of records":               {"[" + osvHead + "}]", "not in OSV"},
		"half a record":                   {osvHead + `,"affected":[{`, "want a key here"},
		"a second record behind":          {osvHead + `}{}`, "follow the end"},
		"a key twice":                     {osvHead + `,"withdrawn":"2026-11-04T12:00:00Z","withdrawn":"2026-11-04T12:00:00Z"}`, "stands twice"},
		"a key twice where nobody reads":  {osvHead + `,"database_specific":{"a":1,"a":2}}`, "stands twice"},
		"a key in other letters":          {osvHead + `,"Affected":[]}`, "is written as"},
		"a number for a list":             {osvHead + `,"affected":7}`, "cannot read JSON"},
		"a number for a version":          {osvHead + `,"affected":[{"package":{"ecosystem":"Debian:12","name":"linux"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":0}]}]}]}`, "cannot read JSON"},
		"nested without end":              {osvHead + `,"details":` + deep(100_000) + "}", "nested deeper"},
		"an object for every three bytes": {osvHead + `,"affected":[` + strings.Repeat("{},", 3_000_000) + `{}]}`, "memory"},
		"no time":                         {`{"id":"CVE-2026-98022","modified":null}`, "without its id"},
		"an id without end":               {`{"modified":"2026-11-04T12:00:00Z","id":"` + strings.Repeat("A", 300) + `"}`, "without its id"},
		"CSAF of another version":         {`{"document":{"csaf_version":"2.1"}}`, "want 2.0"},
		"CSAF without an ID":              {`{"document":{"csaf_version":"2.0"}}`, "without its tracking ID"},
		"a circle of products": {csafHead + `,` + tree + `"relationships":[` +
			`{"full_product_name":{"name":"a","product_id":"a"},"product_reference":"k","relates_to_product_reference":"b"},` +
			`{"full_product_name":{"name":"b","product_id":"b"},"product_reference":"k","relates_to_product_reference":"a"}]}}`, "in a circle"},
		"a product that contains itself": {csafHead + `,` + tree + `"relationships":[{"full_product_name":{"name":"a","product_id":"a"},"product_reference":"a","relates_to_product_reference":"a"}]}}`, "in a circle"},
		"a product twice":                {csafHead + `,` + tree + `"full_product_names":[{"name":"x","product_id":"k"}]}}`, "defined twice"},
		"a million products": {csafHead + `,"product_tree":{"full_product_names":[` + strings.Repeat(`{"name":"x","product_id":"x"},`, 1_000_000) +
			`{"name":"x","product_id":"x"}]}}`, "more than 300000 products"},
		"affected and not": {csafHead + `,` + tree + `"relationships":[{"full_product_name":{"name":"a","product_id":"a"},"product_reference":"k","relates_to_product_reference":"rhel"}]},` +
			`"vulnerabilities":[{"cve":"CVE-2026-98022","product_status":{"known_affected":["a"],"known_not_affected":["a"]}}]}`, "affected and not affected"},
		"a CVE twice": {csafHead + `,` + tree + `"relationships":[{"full_product_name":{"name":"a","product_id":"a"},"product_reference":"k","relates_to_product_reference":"rhel"}]},` +
			`"vulnerabilities":[{"cve":"CVE-2026-98022","product_status":{"fixed":["a"]}},{"cve":"CVE-2026-98022","product_status":{"fixed":["a"]}}]}`, "stands twice"},
		"a range for each of many CVEs": {strings.Replace(osvHead, "CVE-2026-98022", "X", 1) + `,"upstream":[` + strings.TrimSuffix(numbered(400, `"CVE-2026-%d",`), ",") +
			`],"affected":[{"package":{"ecosystem":"Debian:12","name":"linux"},"ranges":[{"type":"ECOSYSTEM","events":[` +
			strings.TrimSuffix(numbered(1000, `{"introduced":"1.%[1]d"},{"fixed":"1.%[1]d-1"},`), ",") + `]}]}]}`, "more than 300000 ranges"},
		"many versions to find in many ranges": {osvHead + `,"affected":[{"package":{"ecosystem":"Debian:12","name":"linux"},"versions":[` + strings.TrimSuffix(numbered(1000, `"%d",`), ",") +
			`],"ranges":[{"type":"ECOSYSTEM","events":[` + strings.TrimSuffix(numbered(600, `{"introduced":"1.%[1]d"},{"fixed":"1.%[1]d-1"},`), ",") + `]}]}]}`, "may be in a range"},
		"a catalog cut short":        {kevHead + `"count":2,"vulnerabilities":[{"cveID":"CVE-2026-98022","dateAdded":"2026-11-12"}]}`, "says it has 2"},
		"an empty catalog":           {kevHead + `"count":0,"vulnerabilities":[]}`, "want 1"},
		"an entry twice":             {kevHead + `"count":2,"vulnerabilities":[{"cveID":"CVE-2026-98022","dateAdded":"2026-11-12"},{"cveID":"CVE-2026-98022","dateAdded":"2026-11-12"}]}`, "stands twice"},
		"an entry without a date":    {kevHead + `"count":1,"vulnerabilities":[{"cveID":"CVE-2026-98022","dateAdded":"soon"}]}`, "as a date"},
		"a prediction above one":     {epss + "CVE-2026-98022,1.1,0.5\n", "share of 1"},
		"a prediction of nothing":    {epss + "CVE-2026-98022,NaN,0.5\n", "share of 1"},
		"a formula for a CVE":        {epss + "=cmd|x,0.1,0.5\n", "as a CVE"},
		"a prediction twice":         {epss + "CVE-2026-98022,0.1,0.5\nCVE-2026-98022,0.2,0.5\n", "stands twice"},
		"a line without end":         {epss + strings.Repeat("C", 1<<20), "longer than"},
		"predictions without a line": {epss, "without a line"},
	} {
		path := filepath.Join(t.TempDir(), "document")
		if err := os.WriteFile(path, []byte(c.data), 0o600); err != nil {
			t.Fatal(err)
		}
		b := &book{}
		_, err := importer().Import(context.Background(), advisories.Feed{Name: "test", Location: path}, b)
		if err == nil || len(b.refused) != 1 || len(b.documents) != 0 {
			t.Errorf("%s: %v, %d documents, %d refused", what, err, len(b.documents), len(b.refused))
			continue
		}
		if why := b.refused[0].Err.Error(); !strings.Contains(why, c.why) || len(why) > 500 {
			t.Errorf("%s: refused with %q, want %q", what, why, c.why)
		}
	}
}

// What cannot be expressed is said, and what stands beside it is read.
func TestAbsurdVersionsBoundNothing(t *testing.T) {
	for _, version := range []string{strings.Repeat("9", 10_000), "1;rm -rf", "1\u202e2", "", " "} {
		path := filepath.Join(t.TempDir(), "document")
		doc := fmt.Sprintf(osvHead+`,"affected":[{"package":{"ecosystem":"Debian:12","name":"linux"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":%q}]}]},`+
			`{"package":{"ecosystem":"Debian:13","name":"linux"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}`, version)
		if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
		b, r := mustImport(t, path)
		if r.Unread != 1 || len(b.documents) != 1 || len(b.documents[0].Advisories) != 2 {
			t.Fatalf("%.20q: %+v %+v", version, r, b.refused)
		}
		for _, a := range b.documents[0].Advisories {
			if bad := a.Product.Distribution == "debian:12"; bad != a.Unreadable || bad != (len(a.Ranges) == 0) {
				t.Errorf("%.20q: %+v", version, a)
			}
		}
	}
}

func TestASinkThatIsFullEndsTheImport(t *testing.T) {
	full := errors.New("no space left")
	b := &book{full: full}
	if _, err := importer().Import(context.Background(), advisories.Feed{Name: "test", Location: "testdata/docs"}, b); !errors.Is(err, full) || len(b.documents) != 1 {
		t.Errorf("%v after %d documents", err, len(b.documents))
	}
}
