package strictyaml_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/internal/strictyaml"
)

const version = "hotstick/letter/v1"

type letter struct {
	APIVersion string          `yaml:"apiVersion"`
	Kind       string          `yaml:"kind"`
	Name       strictyaml.Name `yaml:"name"`
	Subject    strictyaml.Line `yaml:"subject"`
	Pages      int             `yaml:"pages"`
	Secret     bool            `yaml:"secret"`
	Copies     []struct {
		To strictyaml.Line `yaml:"to"`
	} `yaml:"copies"`
	Stamps map[string]int `yaml:"stamps"`
	Reply  *letter        `yaml:"reply"`
	From   sender         `yaml:"from"`
}

// sender is written as a name, or as a mapping.
type sender struct {
	Name  string `yaml:"name"`
	Title string `yaml:"title"`
}

// Read implements [strictyaml.Scalar].
func (s *sender) Read(text string) error {
	if text == "nobody" {
		return errors.New("cannot be from nobody")
	}
	s.Name = text
	return nil
}

func TestOneWordOrAMapping(t *testing.T) {
	const head = "apiVersion: hotstick/letter/v1\nkind: Letter\nname: a\n"
	for text, want := range map[string]sender{"from: bob\n": {Name: "bob"}, "from: {name: bob, title: Dr}\n": {Name: "bob", Title: "Dr"}} {
		if l, _, err := read(head + text); err != nil || l.From != want {
			t.Errorf("%q is read as %+v, %v", text, l.From, err)
		}
	}
	for text, want := range map[string]string{"from: nobody\n": "from nobody", "from: {nmae: bob}\n": "unknown key", "from: [bob]\n": "want a single value"} {
		if _, _, err := read(head + text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// read reads one letter.
func read(raw string) (letter, *strictyaml.Binder, error) {
	var l letter
	bodies, problems := strictyaml.Split([]byte(raw), 1<<10, 2)
	b := strictyaml.NewBinder(strictyaml.NewText([]byte(raw)))
	if len(problems) == 0 && len(bodies) == 0 {
		problems = strictyaml.Problems{{Message: "there is no document"}}
	}
	if len(problems) == 0 {
		if _, ok := b.Head(bodies[0], version, []string{"Letter"}); ok {
			b.Bind(bodies[0], &l)
		}
		problems = b.Problems
	}
	return l, b, problems.OrNil("the letter")
}

func TestALetterIsRead(t *testing.T) {
	l, b, err := read("apiVersion: hotstick/letter/v1\nkind: Letter\nname: to-bob\nsubject: |\n  two\n  lines\npages: 3\nsecret: true\ncopies: [{to: eve}]\nstamps: {red: 2}\nreply: {name: re}\n")
	if err != nil {
		t.Fatal(err)
	}
	if l.Name != "to-bob" || l.Subject != "two\nlines\n" || l.Pages != 3 || !l.Secret || l.Copies[0].To != "eve" || l.Stamps["red"] != 2 || l.Reply.Name != "re" {
		t.Errorf("read %+v", l)
	}
	if at := b.Place("copies[0].to"); at != (strictyaml.Position{Line: 9, Column: 15}) || !b.Written("pages") || b.Written("reply.pages") || b.Bad("pages") {
		t.Errorf("copies[0].to stands at %v", at)
	}
	if b.Wrong("reply.pages", "", "cannot do without pages"); b.Problems[0].Line != 11 || !b.Bad("reply.pages") {
		t.Errorf("what is missing is told at %v", b.Problems)
	}
	if b.Wrong("reply.pages", "", "twice"); len(b.Problems) != 1 {
		t.Errorf("one place is told twice: %v", b.Problems)
	}
}

func TestWhatIsRefusedAndWhere(t *testing.T) {
	const head = "apiVersion: hotstick/letter/v1\nkind: Letter\nname: a\n"
	for _, test := range []struct{ what, text, at, says string }{
		{"too long", strings.Repeat("#", 1<<10+1), "0:0", "longer than 1024 bytes"},
		{"too many documents", "a: 1\n---\na: 1\n---\na: 1\n", "0:0", "3 documents: the limit is 2"},
		{"no text", "a: \x00\n", "0:0", "not plain UTF-8"},
		{"a tag", head + "pages: !!str 1\n", "4:8", "tags"},
		{"too deep", strings.Repeat("[", 100), "1:13", "nested deeper"},
		{"another format", "apiVersion: x\n", "1:13", "this version knows hotstick/letter/v1"},
		{"another kind", "apiVersion: hotstick/letter/v1\nkind: Leter\n", "2:7", "did you mean Letter?"},
		{"no name", "apiVersion: hotstick/letter/v1\nkind: Letter\n", "1:1", "without a name"},
		{"a name that is none", "apiVersion: hotstick/letter/v1\nkind: Letter\nname: A B\n", "3:7", "lower-case"},
		{"an unknown key", head + "page: 1\n", "4:1", "did you mean pages?"},
		{"a repeated key", head + "pages: 1\npages: 1\n", "5:1", "already defined"},
		{"an empty value", head + "pages:\n", "4:8", "empty value"},
		{"an empty list", head + "copies: []\n", "4:9", "empty list"},
		{"an empty mapping", head + "stamps: {}\n", "4:9", "empty mapping"},
		{"a blank line", head + "subject: ' '\n", "4:10", "empty value"},
		{"a line too long", head + "subject: " + strings.Repeat("x", 501) + "\n", "4:10", "longer than 500"},
		{"an anchor", head + "stamps: &a {red: 1}\n", "4:9", "anchors"},
		{"a word for true", head + "secret: yes\n", "4:9", "true or false"},
		{"a number with a sign", head + "pages: +1\n", "4:8", "whole number"},
		{"a list for a value", head + "pages: [1]\n", "4:8", "want a single value"},
	} {
		_, _, err := read(test.text)
		var problems strictyaml.Problems
		if !errors.As(err, &problems) {
			t.Errorf("%s was not refused: %v", test.what, err)
			continue
		}
		p := problems[0]
		if at := fmt.Sprintf("%d:%d", p.Line, p.Column); at != test.at || !strings.Contains(p.Message+p.Hint, test.says) || !strings.HasPrefix(err.Error(), "cannot use the letter: ") {
			t.Errorf("%s: at %s: %v (%s); want %s at %s", test.what, at, err, p.Hint, test.says, test.at)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{"apiVersion: hotstick/letter/v1\nkind: Letter\nname: a\npages: 1\n", "- a\n", "b: !00\n000000000:00", "a: &a [*a]\n", "? {}\n", "<<: 1\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		l, _, err := read(raw)
		if err == nil && (l.Name == "" || l.Kind != "Letter") {
			t.Errorf("%q is read as %+v", raw, l)
		}
	})
}
