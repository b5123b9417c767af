package policy

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/hotstick/hotstick"
)

// APIVersion is the only format that this version reads.
const APIVersion = "hotstick/policy/v1"

// kinds are the kinds of documents.
var kinds = []string{"Policy", "Calendar", "Freeze"}

// Set is the documents of one text, read and checked.
type Set struct {
	digest    hotstick.Digest
	text      text
	language  language
	policies  []*policyRule
	calendars []*calendarRule
	freezes   []*freezeRule
}

// A document with where its parts stand, and with its expressions compiled.
type (
	policyRule struct {
		policyDoc
		*binder
		applies  condition
		eligible []condition
		demands  []condition
		rings    []condition
		windows  []condition
		last     condition
	}
	calendarRule struct {
		calendarDoc
		*binder
	}
	freezeRule struct {
		freezeDoc
		*binder
		when condition
	}
)

// Parse reads a text of one or more documents and checks them; one of them is a
// policy. Its error is [Problems]: everything that is wrong, with places.
func Parse(raw []byte) (*Set, error) {
	docs, problems := split(raw)
	if err := problems.orNil(); err != nil {
		return nil, err
	}
	language, err := newLanguage()
	if err != nil {
		return nil, err
	}
	s := &Set{digest: hotstick.NewDigest(raw), text: newText(raw), language: language}
	for _, d := range docs {
		problems = append(problems, s.add(d)...)
	}
	problems = append(problems, s.check()...)
	if len(problems) == 0 && len(s.policies) == 0 {
		problems = Problems{{Message: "there is no document of kind Policy", Hint: "calendars and freezes stand in the same text as the policy that uses them"}}
	}
	if err := problems.orNil(); err != nil {
		return nil, err
	}
	return s, nil
}

// split parses the YAML of a text into the bodies of its documents.
func split(raw []byte) (bodies []ast.Node, problems Problems) {
	if len(raw) > MaxBytes {
		return nil, Problems{{Message: fmt.Sprintf("it is longer than %d bytes", MaxBytes)}}
	}
	if !utf8.Valid(raw) || bytes.ContainsFunc(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), isControl) {
		return nil, Problems{{Message: "it is not plain UTF-8 text"}}
	}
	// The parser panics on some malformed tags; to whoever wrote the text that is a
	// malformed document like any other.
	defer func() {
		if p := recover(); p != nil {
			bodies, problems = nil, Problems{{Message: "it is not YAML"}}
		}
	}()
	tokens := lexer.Tokenize(string(raw))
	if at, deep := depth(tokens); deep {
		return nil, Problems{newText(raw).problem(at, "", "", "it is nested deeper than %d levels", maxDepth)}
	}
	if len(tokens) > maxTokens {
		return nil, Problems{{Message: fmt.Sprintf("it has more than %d words and signs", maxTokens), Hint: "part it into several texts"}}
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		return nil, Problems{syntax(raw, err)}
	}
	for _, d := range file.Docs {
		if d.Body != nil && d.Body.Type() != ast.NullType {
			bodies = append(bodies, d.Body)
		}
	}
	if len(bodies) > MaxDocuments {
		return nil, Problems{{Message: fmt.Sprintf("it has %d documents: the limit is %d", len(bodies), MaxDocuments)}}
	}
	return bodies, nil
}

// isControl tells characters that no text needs. A lone carriage return is one of
// them, for not everybody takes it for the end of a line.
func isControl(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }

// depth finds the first place that is nested too deep, for the parser needs more
// than linear time there.
func depth(tokens token.Tokens) (position, bool) {
	open, dashes, last := 0, 0, 0
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			open++
		case token.SequenceEndType, token.MappingEndType:
			open--
		case token.SequenceEntryType, token.MappingKeyType:
			if t.Position.Line != last {
				dashes, last = 0, t.Position.Line
			}
			dashes++
		}
		if open > maxDepth || dashes > maxDepth || t.Position.IndentLevel > 2*maxDepth {
			return position{t.Position.Line, t.Position.Column}, true
		}
	}
	return position{}, false
}

// syntax makes a problem of the YAML parser's error.
func syntax(raw []byte, err error) Problem {
	var placed yaml.Error
	if !errors.As(err, &placed) || placed.GetToken() == nil {
		return Problem{Message: "it is not YAML: " + err.Error()}
	}
	at := placed.GetToken().Position
	return newText(raw).problem(position{at.Line, at.Column}, "", "", "%s", placed.GetMessage())
}

// add reads one document into the set. It returns the problems of a document whose
// kind is not known; the others keep theirs until [Set.check].
func (s *Set) add(body ast.Node) Problems {
	b := newBinder(s.text)
	head, ok := s.head(b, body)
	if !ok {
		return b.problems
	}
	b.document = head.Kind + " " + string(head.Name)
	switch head.Kind {
	case "Policy":
		p := &policyRule{binder: b}
		b.bind(body, reflect.ValueOf(&p.policyDoc).Elem(), "")
		s.policies = append(s.policies, p)
	case "Calendar":
		c := &calendarRule{binder: b}
		b.bind(body, reflect.ValueOf(&c.calendarDoc).Elem(), "")
		s.calendars = append(s.calendars, c)
	case "Freeze":
		f := &freezeRule{binder: b}
		b.bind(body, reflect.ValueOf(&f.freezeDoc).Elem(), "")
		s.freezes = append(s.freezes, f)
	}
	return nil
}

// head reads what every document begins with, and leaves the rest.
func (s *Set) head(b *binder, body ast.Node) (header, bool) {
	var h header
	m, ok := b.mapping(body)
	if !ok {
		return h, false
	}
	only := &ast.MappingNode{BaseNode: m.BaseNode, Start: m.Start, IsFlowStyle: m.IsFlowStyle}
	for _, entry := range m.Values {
		if k, ok := entry.Key.(*ast.StringNode); ok && slices.Contains([]string{"apiVersion", "kind", "name"}, k.Value) {
			only.Values = append(only.Values, entry)
		}
	}
	quiet := newBinder(s.text)
	quiet.bind(only, reflect.ValueOf(&h).Elem(), "")
	b.places[""] = positionOf(body)
	for path, at := range quiet.places {
		if path != "" {
			b.places[path] = at
		}
	}
	switch {
	case h.APIVersion != APIVersion:
		b.wrong("apiVersion", "write apiVersion: "+APIVersion, "cannot read apiVersion %q: this version knows %s", h.APIVersion, APIVersion)
	case !slices.Contains(kinds, h.Kind):
		b.wrong("kind", nearest(h.Kind, kinds), "cannot read kind %q", h.Kind)
	case h.Name == "" && len(quiet.problems) == 0:
		b.wrong("", "add name:", "cannot use a document without a name")
	case h.Name == "":
		b.problems = append(b.problems, quiet.problems...)
	default:
		return h, true
	}
	return h, false
}
