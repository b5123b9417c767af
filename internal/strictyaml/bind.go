package strictyaml

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Scalar is a leaf that reads itself from a document. A struct with yaml tags may be one, too:
// a mapping fills its fields then, and a single value reads itself.
type Scalar interface{ Read(text string) error }

// Binder fills one document's structs from its nodes. Unlike a decoder it does not
// stop at the first mistake, and it remembers where everything stood, so that later
// checks can point there.
type Binder struct {
	Text Text
	// Document is its kind and name, as far as they are known; it stands in every problem.
	Document string
	Problems Problems
	// places holds the position of each value by its path, such as rings[1].after.
	places map[string]Position
	// bad holds the paths that something was said about, with all they stand in: what
	// is missing there need not be said again.
	bad map[string]bool
}

// NewBinder returns one for one document of a text.
func NewBinder(t Text) *Binder {
	return &Binder{Text: t, places: map[string]Position{}, bad: map[string]bool{}}
}

// Bind fills what into points to: structs by the names of their yaml tags, maps, slices,
// strings, whole numbers, booleans and [Scalar]s.
func (b *Binder) Bind(n Node, into any) { b.bind(n.node, reflect.ValueOf(into).Elem(), "") }

// Report adds a problem at a place.
func (b *Binder) Report(at Position, hint, format string, args ...any) {
	if len(b.Problems) >= maxProblems {
		return
	}
	b.Problems = append(b.Problems, b.Text.Problem(at, b.Document, hint, format, args...))
}

// Bad reports whether something was said about a path, or about what stands in it.
func (b *Binder) Bad(path string) bool { return b.bad[path] }

// Written reports whether a path stands in the document.
func (b *Binder) Written(path string) bool {
	_, there := b.places[path]
	return there
}

// nearest is the path, or the nearest part of it that stands in the document.
func (b *Binder) nearest(path string) string {
	for {
		if _, ok := b.places[path]; ok || path == "" {
			return path
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

// Place is where a path stands, or the nearest part of it that does.
func (b *Binder) Place(path string) Position { return b.places[b.nearest(path)] }

// Wrong reports a problem at a path, the first one only. What is missing is not
// reported where something else was wrong, for it may be what was misspelt.
func (b *Binder) Wrong(path, hint, format string, args ...any) {
	if !b.bad[path] && !b.bad[b.nearest(path)] {
		b.Report(b.Place(path), hint, format, args...)
	}
	b.bad[path] = true
}

// bind fills a value, and says of a path where anything in it is wrong that it is bad.
func (b *Binder) bind(node ast.Node, into reflect.Value, path string) {
	before := len(b.Problems)
	b.places[path] = positionOf(node)
	b.bindNode(node, into, path)
	if len(b.Problems) > before {
		b.bad[path] = true
	}
}

func (b *Binder) bindNode(node ast.Node, into reflect.Value, path string) {
	if leaf, ok := into.Addr().Interface().(Scalar); ok && !fills(node, into) {
		if s, ok := b.single(node, path); ok {
			if err := leaf.Read(s); err != nil {
				b.Wrong(path, "", "%v", err)
			}
		}
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		fresh := reflect.New(into.Type().Elem())
		b.bind(node, fresh.Elem(), path)
		into.Set(fresh)
	case reflect.Struct:
		b.bindStruct(node, into, path)
	case reflect.Map:
		b.bindMap(node, into, path)
	case reflect.Slice:
		b.bindSlice(node, into, path)
	default:
		if s, ok := b.single(node, path); ok {
			b.bindLeaf(s, into, path)
		}
	}
}

// fills reports whether a node is a mapping, for a struct that has fields for it.
func fills(node ast.Node, into reflect.Value) bool {
	_, ok := node.(*ast.MappingNode)
	return ok && into.Kind() == reflect.Struct && len(fieldsOf(into)) > 0
}

// fieldsOf are the fields that a mapping can fill, by their keys.
func fieldsOf(into reflect.Value) map[string]int {
	fields := map[string]int{}
	for i := range into.NumField() {
		if name := into.Type().Field(i).Tag.Get("yaml"); name != "" && name != "-" {
			fields[name] = i
		}
	}
	return fields
}

// bindLeaf reads the plain kinds.
func (b *Binder) bindLeaf(s string, into reflect.Value, path string) {
	switch into.Kind() {
	case reflect.String:
		into.SetString(s)
	case reflect.Int:
		n, err := strconv.Atoi(s)
		if err != nil || strconv.Itoa(n) != s {
			b.Wrong(path, "", "cannot read %q as a whole number", s)
			return
		}
		into.SetInt(int64(n))
	case reflect.Bool:
		if s != "true" && s != "false" {
			b.Wrong(path, "", "cannot read %q: want true or false", s)
			return
		}
		into.SetBool(s == "true")
	}
}

// single is the text of a scalar node; anything else is a problem.
func (b *Binder) single(node ast.Node, path string) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	case *ast.NullNode:
		b.Wrong(path, "leave the key out, or give it a value", "cannot use an empty value")
	case *ast.MappingNode, *ast.SequenceNode:
		b.Wrong(path, "", "cannot read a %s here: want a single value", kindOf(node))
	default:
		b.unsupported(node)
	}
	return "", false
}

func (b *Binder) bindStruct(node ast.Node, into reflect.Value, path string) {
	m, ok := b.mapping(node)
	if !ok {
		return
	}
	fields := fieldsOf(into)
	for _, entry := range m.Values {
		if len(b.Problems) >= maxProblems {
			return
		}
		key, ok := b.key(entry)
		if !ok {
			continue
		}
		i, ok := fields[key]
		if !ok {
			b.Report(positionOf(entry.Key), Nearest(key, slices.Collect(maps.Keys(fields))), "cannot use the unknown key %q", key)
			continue
		}
		b.bind(entry.Value, into.Field(i), join(path, key))
	}
}

func (b *Binder) bindMap(node ast.Node, into reflect.Value, path string) {
	m, ok := b.mapping(node)
	if !ok {
		return
	}
	if len(m.Values) == 0 {
		b.Wrong(path, "leave the key out", "cannot use an empty mapping")
	}
	into.Set(reflect.MakeMap(into.Type()))
	for _, entry := range m.Values {
		key, ok := b.key(entry)
		if !ok {
			continue
		}
		value := reflect.New(into.Type().Elem()).Elem()
		b.bind(entry.Value, value, join(path, key))
		into.SetMapIndex(reflect.ValueOf(key), value)
	}
}

func (b *Binder) bindSlice(node ast.Node, into reflect.Value, path string) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		b.other(node, "list")
		return
	}
	if len(list.Values) == 0 {
		b.Wrong(path, "leave the key out", "cannot use an empty list")
	}
	if len(list.Values) > maxItems {
		b.Wrong(path, "", "cannot use a list of %d entries: the limit is %d", len(list.Values), maxItems)
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(list.Values), len(list.Values)))
	for i, v := range list.Values {
		b.bind(v, into.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

func (b *Binder) mapping(node ast.Node) (*ast.MappingNode, bool) {
	m, ok := node.(*ast.MappingNode)
	if !ok {
		b.other(node, "mapping")
	}
	return m, ok
}

// key is the text of a mapping's key.
func (b *Binder) key(entry *ast.MappingValueNode) (string, bool) {
	switch k := entry.Key.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return k.GetToken().Value, true
	default:
		b.unsupported(entry.Key)
		return "", false
	}
}

// other reports that a node is not of the wanted kind.
func (b *Binder) other(node ast.Node, want string) {
	switch node.(type) {
	case *ast.NullNode:
		b.Report(positionOf(node), "leave the key out, or give it a value", "cannot use an empty value: want a %s", want)
	case *ast.MappingNode, *ast.SequenceNode, *ast.StringNode, *ast.LiteralNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		b.Report(positionOf(node), "", "cannot read a %s here: want a %s", kindOf(node), want)
	default:
		b.unsupported(node)
	}
}

// unsupported refuses the parts of YAML that no document has a use for.
func (b *Binder) unsupported(node ast.Node) {
	b.Report(positionOf(node), "write the value itself", "cannot use %s here", kindOf(node))
}

func kindOf(node ast.Node) string {
	switch node.(type) {
	case *ast.MappingNode:
		return "mapping"
	case *ast.SequenceNode:
		return "list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "anchors"
	case *ast.TagNode:
		return "tags"
	case *ast.InfinityNode, *ast.NanNode:
		return "numbers without an end"
	case *ast.NullNode:
		return "empty keys"
	}
	return "single value"
}

// positionOf is where a node begins.
func positionOf(node ast.Node) Position {
	if m, ok := node.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		node = m.Values[0].Key
	}
	t := node.GetToken()
	if t == nil || t.Position == nil {
		return Position{}
	}
	return Position{Line: max(t.Position.Line, 1), Column: max(t.Position.Column, 1)}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// Nearest is a hint that names the known word most like a misspelt one.
func Nearest(word string, known []string) string {
	known = slices.Sorted(slices.Values(known))
	best, distance := "", 3
	for _, k := range known {
		if d := edits(word, k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return "choose one of " + strings.Join(known, ", ")
}

// edits counts the letters to change, add or drop between two words.
func edits(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
