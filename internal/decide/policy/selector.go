package policy

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"

	"github.com/hotstick/hotstick/internal/planted"
)

// Limits of selectors.
const (
	maxSelector = 4 << 10
)

// Selector is a compiled CEL expression over the variable host (see [Host]) alone:
// what a person writes to pick hosts, in the words of policies.
type Selector struct{ program cel.Program }

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
		withSubjects,
		cel.Variable("host", cel.ObjectType("policy.Host")),
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
	program, err := env.Program(ast, cel.CostLimit(maxCost), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return Selector{}, &SelectorError{Message: err.Error()}
	}
	return Selector{program: program}, nil
}

// Matches reports whether the selector means the host. A host without a label
// that the expression asks for is not meant; any other failure, such as an
// expression that costs too much, is an error.
func (s Selector) Matches(host Host) (bool, error) {
	out, _, err := s.program.Eval(map[string]any{"host": host})
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
