package loadercmd

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/klp"
	"github.com/hotstick/hotstick/internal/driver/windows"
	"github.com/hotstick/hotstick/internal/kernel/nt"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

var update = flag.Bool("update", false, "write docs/reference/drivers.md anew")

const repository = "../../.."

// TestTheReferenceOfDriversIsWhatTheySay writes docs/reference/drivers.md from what each
// driver says of itself on an example of its host, and from the two sections of its README
// that say what it is and what was verified. A row of the latter names the tests that show
// it; they must be there, and do what the row says they do.
func TestTheReferenceOfDriversIsWhatTheySay(t *testing.T) {
	const path = repository + "/docs/reference/drivers.md"
	want := (&driversPage{t: t, tests: readTests(t)}).write()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != want {
		t.Errorf("%s is not what the drivers say (%v): run go test -run Reference ./internal/loader/loadercmd -update", path, err)
	}
}

// example is a host as one kind of a driver's hosts looks, so far as its abilities depend
// on that.
type example struct {
	driver, kind string
	files        map[string]string
	commands     map[string]string
}

// examples has every driver, in the order of the page.
func examples() []example {
	return []example{
		{driver: "klp"},
		{driver: "kpatch", kind: "modules of one's own", files: map[string]string{"etc/os-release": "ID=debian\n"}},
		{driver: "kpatch", kind: "packages", files: map[string]string{"etc/os-release": "ID=rhel\n"}},
		{driver: "suse"},
		{driver: "amazon", kind: "Amazon Linux 2023", files: map[string]string{"etc/os-release": "ID=amzn\nVERSION_ID=\"2023\"\n"}},
		{driver: "amazon", kind: "Amazon Linux 2", files: map[string]string{"etc/os-release": "ID=amzn\nVERSION_ID=\"2\"\n"}},
		{driver: "canonical", kind: "Canonical's server", commands: map[string]string{"status": `{"Status":[{"Kernel":"6.8.0-1-generic","Running":true}]}`, "config": "check-interval: \"0\"\nremote-server: \"\"\n"}},
		{driver: "canonical", kind: "a server of one's own", commands: map[string]string{"status": `{"Status":[{"Kernel":"6.8.0-1-generic","Running":true}]}`, "config": "check-interval: \"0\"\nremote-server: https://livepatch.example.com\n"}},
		{driver: "kernelcare"},
		{driver: "ksplice"},
		{driver: "windows"},
		{driver: "reboot"},
	}
}

// said answers the programs of an example by their second word.
type said map[string]string

// Run implements driver.Commands.
func (s said) Run(_ context.Context, argv ...string) (driver.Ran, error) {
	if len(argv) > 1 {
		if out, ok := s[argv[1]]; ok {
			return driver.Ran{Stdout: out}, nil
		}
	}
	return driver.Ran{}, driver.ErrNoProgram
}

func (e example) can(t *testing.T) hotstick.Capabilities {
	t.Helper()
	root := fstest.MapFS{"sys/kernel/livepatch": &fstest.MapFile{Mode: fs.ModeDir | 0o755}}
	for name, text := range e.files {
		root[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	switch e.driver {
	case klp.Name:
		return klp.NewObserver(root).Capabilities(t.Context())
	case windows.Name:
		return (&windows.Observer{Registry: nt.Recorded{}}).Capabilities(t.Context())
	}
	make, ok := steppers[e.driver]
	if !ok {
		t.Fatalf("there is no driver %s", e.driver)
	}
	return make(root, said(e.commands)).Capabilities(t.Context())
}

type driversPage struct {
	t     *testing.T
	tests map[string]shown
	b     bytes.Buffer
}

func (p *driversPage) line(format string, args ...any) { fmt.Fprintf(&p.b, format+"\n", args...) }

const driversIntroduction = `# Drivers

Written by the test of ` + "`internal/loader/loadercmd`" + ` from what the drivers say of themselves, and from their READMEs.

A driver speaks one live-patch system. What it can do on a host is in the host's facts, as below: ` + "`hotstick driver list`" + ` counts it over the fleet, and
` + "`hotstick host show HOST`" + ` says it of one. Nothing is planned that a driver cannot do.`

func (p *driversPage) write() string {
	p.line(driversIntroduction)
	p.claims()
	p.abilities()
	p.recipes()
	var drivers []string
	for _, e := range examples() {
		if !slices.Contains(drivers, e.driver) {
			drivers = append(drivers, e.driver)
		}
	}
	if sorted := slices.Sorted(slices.Values(drivers)); !slices.Equal(sorted, hotstick.Drivers()) {
		p.t.Errorf("the page has %v; there are %v", sorted, hotstick.Drivers())
	}
	readmes := map[string]readme{}
	for _, name := range drivers {
		readmes[name] = readReadme(p.t, name)
	}
	p.verified(drivers, readmes)
	for _, name := range drivers {
		p.driver(name, readmes[name])
	}
	return p.b.String()
}

func (p *driversPage) claims() {
	p.line("\n## What is claimed\n\nThe same words stand in the plan that approvers sign, on every screen, and in the audit log at each grant.\n\n| class | drivers | what holds |\n|---|---|---|")
	for _, class := range []hotstick.TrustClass{hotstick.TrustBytes, hotstick.TrustPin, hotstick.TrustStep} {
		var of []string
		for _, d := range hotstick.Drivers() {
			if hotstick.ClassOf(d) == class {
				of = append(of, "`"+d+"`")
			}
		}
		p.line("| `%s` | %s | %s |", class, strings.Join(of, ", "), class.Claim())
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (p *driversPage) abilities() {
	p.line(`
## What each can do

- **undo**: how the system takes a level out of a running kernel: any (` + "`disable`" + `), only by the level before (` + "`previous_level`" + `), update by update (` + "`per_update`" + `),
  everything at once (` + "`unload_all`" + `), or not at all (` + "`reboot_only`" + `).
- **ways back**: what follows for a host, best first. A host whose only way is a reboot goes forward, not back.
- **starts by itself**: the system has a schedule of its own. Hotstick puts it on hold at adoption, notices when somebody lifts that, and gives it back at release.
- **pinned**: a host can be kept at a level that is not the newest.
- **asynchronous**: the load returns before every task runs the new code.

| driver | class | undo | ways back | starts by itself | pinned | asynchronous | truth |
|---|---|---|---|---|---|---|---|`)
	for _, e := range examples() {
		c := e.can(p.t)
		if c.Driver != e.driver || c.TrustClass != hotstick.ClassOf(e.driver) || c.Undo == "" || c.Truth == "" {
			p.t.Errorf("%s says %+v of itself", e.driver, c)
		}
		name := "`" + e.driver + "`"
		if e.kind != "" {
			name += ", " + e.kind
		}
		var back []string
		for _, r := range c.Rollback {
			back = append(back, string(r))
		}
		p.line("| %s | %s | `%s` | %s | %s | %s | %s | %s |", name, c.TrustClass, c.Undo, strings.Join(back, ", "), yes(c.Schedules), yes(c.Pinnable), yes(c.Asynchronous), c.Truth)
	}
}

func (p *driversPage) recipes() {
	p.line("\n## Recipes\n\nThe artifact of a driver that loads no bytes of ours: `hotstick patch publish --help` shows one. Each has `driver`, `build` and `module`, and\n\n| driver | also has |\n|---|---|")
	for _, d := range hotstick.Drivers() {
		var fields []string
		for _, f := range hotstick.RecipeFields(d) {
			fields = append(fields, "`"+strings.ReplaceAll(f, "|", "` or `")+"`")
		}
		if len(fields) > 0 {
			p.line("| `%s` | %s |", d, strings.Join(fields, ", "))
		}
	}
}

// grounds are what something can be verified on, the strongest first.
func grounds() []string {
	return []string{"the vendor's system", "real kernels", "rig", "Wine", "simulation", "recorded texts"}
}

func (p *driversPage) verified(drivers []string, readmes map[string]readme) {
	p.line("\n## What was verified on what\n\nA **rig** stands in for a vendor's tools, and was written from the vendor's documentation; the kernel in the guest, and the live patches, are real (Debian's %s). "+
		"What was shown on a rig was not shown on the vendor's system. `make drivers` shows it again.\n", strings.Join(rigtest.Lines(), " and "))
	p.line("| driver | on %s |\n|---|%s", strings.Join(grounds(), " | "), strings.Repeat("---|", len(grounds())))
	for _, name := range drivers {
		row := []string{"`" + name + "`"}
		for _, ground := range grounds() {
			on := slices.ContainsFunc(readmes[name].verified, func(v verifiedRow) bool { return v.ground == ground })
			switch {
			case on:
				row = append(row, "yes")
			case ground == "the vendor's system" && hotstick.ClassOf(name) == hotstick.TrustBytes:
				row = append(row, "has none")
			case ground == "the vendor's system":
				row = append(row, "**never**")
			default:
				row = append(row, "-")
			}
		}
		p.line("| %s |", strings.Join(row, " | "))
	}
}

func (p *driversPage) driver(name string, r readme) {
	p.line("\n## %s\n\n| | |\n|---|---|", name)
	for _, row := range r.short {
		p.line("| %s | %s |", row[0], row[1])
	}
	p.line("\n| what was verified | on | shown by |\n|---|---|---|")
	for _, v := range r.verified {
		on := v.ground + v.detail
		if v.ground == "rig" {
			on = fmt.Sprintf("rig in guests with Debian's %s%s", strings.Join(rigtest.Lines(), " and "), v.detail)
		}
		p.line("| %s | %s | %s |", v.what, on, strings.Join(v.by, " "))
		p.holds(name, v)
	}
	p.line("\nNot verified, or not done:\n")
	for _, n := range r.not {
		p.line("- %s", n)
	}
	p.line("\nMore: [README of the driver](../../internal/driver/%s/README.md).", name)
}

// holds says where a row claims more than its tests do.
func (p *driversPage) holds(driver string, v verifiedRow) {
	p.t.Helper()
	for _, by := range v.by {
		test, ok := p.tests[strings.Trim(by, "`")]
		switch {
		case !ok:
			p.t.Errorf("%s: there is no test %s", driver, by)
		case v.ground == "rig" && !(test.rig && test.suite):
			p.t.Errorf("%s: %s runs no suite beside a rig in guests", driver, by)
		case v.ground == "real kernels" && !test.guest:
			p.t.Errorf("%s: %s boots no kernel", driver, by)
		case v.ground == "the vendor's system":
			p.t.Errorf("%s: no test of this repository runs there", driver)
		}
	}
}

// readme is what the page takes from a driver's README.
type readme struct {
	short    [][2]string
	verified []verifiedRow
	not      []string
}

type verifiedRow struct {
	what, ground, detail string
	by                   []string
}

func readReadme(t *testing.T, name string) readme {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(repository, "internal/driver", name, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var r readme
	for _, row := range rows(section(t, name, string(data), "In short"), 2) {
		r.short = append(r.short, [2]string{row[0], row[1]})
	}
	want := []string{"system", "level", "listed as", "brought by", "taken out by", "put on hold by"}
	for i, k := range want {
		if i >= len(r.short) || r.short[i][0] != k || len(r.short) != len(want) {
			t.Fatalf("%s: its README says %v in short; want %v", name, r.short, want)
		}
	}
	for _, row := range rows(section(t, name, string(data), "What was verified"), 3)[1:] {
		v := verifiedRow{what: row[0], by: strings.Fields(row[2])}
		v.ground, v.detail, _ = strings.Cut(row[1], ":")
		if v.detail != "" {
			v.detail = ":" + v.detail
		}
		if !slices.Contains(grounds(), v.ground) || len(v.by) == 0 {
			t.Fatalf("%s: its README says %q; it begins with one of %v, and names a test", name, row, grounds())
		}
		r.verified = append(r.verified, v)
	}
	for l := range strings.Lines(section(t, name, string(data), "What was not")) {
		if text, is := strings.CutPrefix(l, "- "); is {
			r.not = append(r.not, strings.TrimSpace(text))
		}
	}
	if len(r.verified) == 0 || len(r.not) == 0 {
		t.Fatalf("%s: its README has %d rows of what was verified and %d of what was not", name, len(r.verified), len(r.not))
	}
	return r
}

// section returns the text under a heading of a README.
func section(t *testing.T, name, text, heading string) string {
	t.Helper()
	_, after, ok := strings.Cut(text, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("%s: its README has no section %q", name, heading)
	}
	before, _, _ := strings.Cut(after, "\n## ")
	return before
}

// rows returns the cells of a table, without its empty header and rule.
func rows(text string, cells int) [][]string {
	var all [][]string
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		if !strings.HasPrefix(l, "|") || strings.Trim(l, "|- ") == "" {
			continue
		}
		row := strings.Split(strings.Trim(l, "|"), "|")
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		if len(row) == cells {
			all = append(all, row)
		}
	}
	return all
}

// shown is what the sources of a test do.
type shown struct {
	// guest: it boots kernels; rig: beside a rig; suite: its package runs that of drivers by
	// steps.
	guest, rig, suite bool
}

var packages = []string{"internal/driver", "internal/loader/loadercmd", "internal/demo", "internal/winhost", "internal/cli"}

// readTests returns every test of the packages that show what a driver does, as
// package.Test.
func readTests(t *testing.T) map[string]shown {
	t.Helper()
	suites := map[string]bool{}
	tests := map[string]shown{}
	for _, dir := range packages {
		err := filepath.WalkDir(filepath.Join(repository, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			readTestFile(t, path, tests, suites)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range tests {
		pkg, _, _ := strings.Cut(name, ".")
		test.suite = suites[pkg]
		tests[name] = test
	}
	return tests
}

var rigSuite = regexp.MustCompile(`rigtest\.Suite\{`)

func readTestFile(t *testing.T, path string, tests map[string]shown, suites map[string]bool) {
	t.Helper()
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	pkg := filepath.Base(filepath.Dir(path))
	if bytes.Contains(source, []byte("drivertest.RunSteps(")) {
		suites[pkg] = true
	}
	suite := rigSuite.Match(source)
	guest := suite || bytes.Contains(source, []byte("HOTSTICK_GUESTS"))
	rig := slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool {
		name, is := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), "github.com/hotstick/hotstick/internal/rig/")
		return is && name != "rigtest"
	})
	for _, d := range file.Decls {
		if f, is := d.(*ast.FuncDecl); is && strings.HasPrefix(f.Name.Name, "Test") {
			tests[pkg+"."+f.Name.Name] = shown{guest: guest, rig: suite && rig}
		}
	}
}

// TestEveryDriverByStepsIsShownBesideItsRig: a driver that is added comes with its suite.
func TestEveryDriverByStepsIsShownBesideItsRig(t *testing.T) {
	for name := range steppers {
		r := readReadme(t, name)
		if !slices.ContainsFunc(r.verified, func(v verifiedRow) bool { return v.ground == "rig" || v.ground == "real kernels" }) {
			t.Errorf("%s was never shown on a kernel", name)
		}
	}
}
