package strictyaml

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Header is what every document begins with.
type Header struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Name       Name   `yaml:"name"`
}

// Head reads what every document begins with, and leaves the rest. False, with problems,
// if it is of another format or of none of the kinds, or has no name.
func (b *Binder) Head(body Node, apiVersion string, kinds []string) (Header, bool) {
	var h Header
	m, ok := b.mapping(body.node)
	if !ok {
		return h, false
	}
	only := &ast.MappingNode{BaseNode: m.BaseNode, Start: m.Start, IsFlowStyle: m.IsFlowStyle}
	for _, entry := range m.Values {
		if k, ok := entry.Key.(*ast.StringNode); ok && slices.Contains([]string{"apiVersion", "kind", "name"}, k.Value) {
			only.Values = append(only.Values, entry)
		}
	}
	quiet := NewBinder(b.Text)
	quiet.Bind(Node{only}, &h)
	b.places[""] = positionOf(body.node)
	for path, at := range quiet.places {
		if path != "" {
			b.places[path] = at
		}
	}
	switch {
	case h.APIVersion != apiVersion:
		b.Wrong("apiVersion", "write apiVersion: "+apiVersion, "cannot read apiVersion %q: this version knows %s", h.APIVersion, apiVersion)
	case !slices.Contains(kinds, h.Kind):
		b.Wrong("kind", Nearest(h.Kind, kinds), "cannot read kind %q", h.Kind)
	case h.Name == "" && len(quiet.Problems) == 0:
		b.Wrong("", "add name:", "cannot use a document without a name")
	case h.Name == "":
		b.Problems = append(b.Problems, quiet.Problems...)
	default:
		b.Document = h.Kind + " " + string(h.Name)
		return h, true
	}
	return h, false
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// Name names a document, or an entry of it that others speak of.
type Name string

// Read implements [Scalar].
func (n *Name) Read(s string) error {
	if !namePattern.MatchString(s) {
		return fmt.Errorf("cannot use %q as a name: want lower-case letters, digits and dashes", s)
	}
	*n = Name(s)
	return nil
}

// Line is text for people.
type Line string

// Read implements [Scalar].
func (l *Line) Read(s string) error {
	if strings.TrimSpace(s) == "" {
		return fmt.Errorf("cannot use an empty value")
	}
	if len(s) > maxLine {
		return fmt.Errorf("cannot use a text longer than %d bytes", maxLine)
	}
	*l = Line(s)
	return nil
}
