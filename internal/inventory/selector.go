package inventory

import (
	"fmt"
	"reflect"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/store"
)

// Limits of selectors.
const (
	maxSelector     = 4 << 10
	maxSelectorCost = 20_000
)

// Selector is a compiled CEL expression over the variable host (see [Subject]).
type Selector struct{ program cel.Program }

// Subject is what a selector sees as "host". Its names are the ones to write:
// host.name, host.release, host.labels.role, host.in_effect.level.
type Subject struct {
	ID           string            `cel:"id"`
	Name         string            `cel:"name"`
	Release      string            `cel:"release"`
	Arch         string            `cel:"arch"`
	BuildID      string            `cel:"build_id"`
	Distribution string            `cel:"distribution"`
	Labels       map[string]string `cel:"labels"`
	InEffect     SubjectLevel      `cel:"in_effect"`
}

// SubjectLevel is the level in effect on a host; the empty name and level 0 mean
// the kernel as it booted.
type SubjectLevel struct {
	Name  string `cel:"name"`
	Level int    `cel:"level"`
}

// NewSubject shows a host to selectors, with the level that is in effect.
func NewSubject(h store.Host, level hotstick.PatchRef) Subject {
	s := Subject{ID: string(h.ID), Name: h.Name, Labels: map[string]string{},
		InEffect: SubjectLevel{Name: level.Name, Level: level.Level}}
	if h.Facts != nil {
		s.Release, s.Arch, s.BuildID = h.Facts.Kernel.Build.Release, h.Facts.Kernel.Build.Arch, h.Facts.Kernel.Build.BuildID
		s.Distribution = h.Facts.Host.Distribution
		if h.Facts.Labels != nil {
			s.Labels = h.Facts.Labels
		}
	}
	return s
}

// SelectorError says what is wrong with a selector and where.
type SelectorError struct {
	// Line and Column count from 1; 0 where the place is not known.
	Line, Column int
	Message      string
}

// Error implements error.
func (e *SelectorError) Error() string {
	if e.Line == 0 {
		return "cannot use the selector: " + e.Message
	}
	return fmt.Sprintf("cannot use the selector: line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// CompileSelector compiles an expression that is true for the hosts it selects.
// An empty one is refused: empty is never all.
func CompileSelector(expression string) (Selector, error) {
	if planted.Bug("empty-selects-all") && strings.TrimSpace(expression) == "" {
		expression = "true"
	}
	if strings.TrimSpace(expression) == "" {
		return Selector{}, &SelectorError{Message: "it is empty, and empty is never all; write true for every host"}
	}
	if len(expression) > maxSelector {
		return Selector{}, &SelectorError{Message: fmt.Sprintf("it is longer than %d bytes", maxSelector)}
	}
	env, err := cel.NewEnv(
		withSubject,
		cel.Variable("host", cel.ObjectType("inventory.Subject")),
		cel.ParserRecursionLimit(100),
	)
	if err != nil {
		return Selector{}, fmt.Errorf("cannot set up selectors: %v", err)
	}
	ast, issues := env.Compile(expression)
	if found := issues.Errors(); len(found) > 0 {
		first := found[0]
		return Selector{}, &SelectorError{Line: first.Location.Line(), Column: first.Location.Column() + 1, Message: first.Message}
	}
	if ast.OutputType() != cel.BoolType {
		return Selector{}, &SelectorError{Message: "it must be true or false for a host, such as host.labels.role == \"db\""}
	}
	program, err := env.Program(ast, cel.CostLimit(maxSelectorCost), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return Selector{}, &SelectorError{Message: err.Error()}
	}
	return Selector{program: program}, nil
}

// withSubject makes the fields of a subject known to the type checker, so that a
// misspelt one is an error and not a host that never matches.
func withSubject(env *cel.Env) (*cel.Env, error) {
	provider, adapter, err := types.ComposeTypes(env.CELTypeProvider(), env.CELTypeAdapter(),
		reflect.TypeFor[Subject](), reflect.TypeFor[SubjectLevel](), types.ParseStructTags(true))
	if err != nil {
		return nil, err
	}
	if env, err = cel.CustomTypeAdapter(adapter)(env); err != nil {
		return nil, err
	}
	return cel.CustomTypeProvider(provider)(env)
}

// Matches reports whether the selector means the host. A host without a label
// that the expression asks for is not meant; any other failure, such as an
// expression that costs too much, is an error.
func (s Selector) Matches(subject Subject) (bool, error) {
	out, _, err := s.program.Eval(map[string]any{"host": subject})
	if err != nil {
		if strings.Contains(err.Error(), "no such key") {
			return false, nil
		}
		return false, &SelectorError{Message: err.Error()}
	}
	matches, ok := out.Value().(bool)
	if !ok {
		return false, &SelectorError{Message: "it is neither true nor false for some host"}
	}
	return matches, nil
}
