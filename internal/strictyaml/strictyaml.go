// Package strictyaml reads the documents that people write and that decisions rest on:
// policies, decision trees, rules. Unknown and repeated keys, empty values, anchors,
// aliases, tags and merge keys are refused; so is a text that is too long, or nested
// deeper than people write. All problems are told at once, each with line, column and what
// to do, and later checks can point at what they mean (see [Binder]).
//
// One text holds one or more documents, parted by "---". Every document begins alike:
//
//	apiVersion: hotstick/policy/v1
//	kind: Policy
//	name: standard      # lower-case letters, digits and dashes
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of one text. What is beyond them is refused before it is read further.
const (
	// maxTokens bounds the YAML parser, which compares every key with every other.
	maxTokens   = 30_000
	maxItems    = 500 // entries of one list
	maxDepth    = 12  // nested collections
	maxProblems = 100 // of one document; nobody reads more
	maxLine     = 500
)

// Node is a part of a document that was not looked into yet.
type Node struct{ node ast.Node }

// Split parses the YAML of a text into the bodies of its documents, as far as it is not
// longer than maxBytes and has no more than maxDocuments of them.
func Split(raw []byte, maxBytes, maxDocuments int) (bodies []Node, problems Problems) {
	if len(raw) > maxBytes {
		return nil, Problems{{Message: fmt.Sprintf("it is longer than %d bytes", maxBytes)}}
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
		return nil, Problems{NewText(raw).Problem(at, "", "", "it is nested deeper than %d levels", maxDepth)}
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
			bodies = append(bodies, Node{d.Body})
		}
	}
	if len(bodies) > maxDocuments {
		return nil, Problems{{Message: fmt.Sprintf("it has %d documents: the limit is %d", len(bodies), maxDocuments)}}
	}
	return bodies, nil
}

// isControl tells characters that no text needs. A lone carriage return is one of
// them, for not everybody takes it for the end of a line.
func isControl(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }

// depth finds the first place that is nested too deep, for the parser needs more
// than linear time there.
func depth(tokens token.Tokens) (Position, bool) {
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
			return Position{t.Position.Line, t.Position.Column}, true
		}
	}
	return Position{}, false
}

// syntax makes a problem of the YAML parser's error.
func syntax(raw []byte, err error) Problem {
	var placed yaml.Error
	if !errors.As(err, &placed) || placed.GetToken() == nil {
		return Problem{Message: "it is not YAML: " + err.Error()}
	}
	at := placed.GetToken().Position
	return NewText(raw).Problem(Position{at.Line, at.Column}, "", "", "%s", placed.GetMessage())
}
