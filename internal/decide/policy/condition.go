package policy

import (
	"fmt"
	"reflect"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/parser"
)

// condition is a compiled expression: the parts that its outermost && join. Judging
// by parts names the one that decided without a trace, and lets those that do not
// look at the host be judged once for all hosts.
type condition struct {
	text  string
	parts []part
}

type part struct {
	text    string
	program cel.Program
	// host: the part looks at the host.
	host bool
}

// language is the one environment that all expressions are compiled in.
type language struct{ env *cel.Env }

func newLanguage() (language, error) {
	env, err := cel.NewEnv(
		withSubjects,
		cel.Variable("host", cel.ObjectType("policy.Host")),
		cel.Variable("patch", cel.ObjectType("policy.Patch")),
		cel.Variable("now", cel.TimestampType),
		cel.ParserRecursionLimit(100),
		cel.EnableMacroCallTracking(),
	)
	if err != nil {
		return language{}, fmt.Errorf("cannot set up the policy language: %v", err)
	}
	return language{env}, nil
}

// withSubjects makes the fields of the subjects known to the type checker, so that a
// misspelt one is an error and not a host that never matches.
func withSubjects(env *cel.Env) (*cel.Env, error) {
	provider, adapter, err := types.ComposeTypes(env.CELTypeProvider(), env.CELTypeAdapter(),
		reflect.TypeFor[Host](), reflect.TypeFor[Level](), reflect.TypeFor[Patch](), types.ParseStructTags(true))
	if err != nil {
		return nil, err
	}
	if env, err = cel.CustomTypeAdapter(adapter)(env); err != nil {
		return nil, err
	}
	return cel.CustomTypeProvider(provider)(env)
}

// mistake is what is wrong with an expression; line and column count from 1 within
// it, and are 0 where the place is not known.
type mistake struct {
	line, column int
	message      string
}

// check type-checks an expression.
func (l language) check(text string) (*cel.Ast, *mistake) {
	checked, issues := l.env.Compile(text)
	if found := issues.Errors(); len(found) > 0 {
		first := found[0]
		return nil, &mistake{first.Location.Line(), first.Location.Column() + 1, first.Message}
	}
	if checked.OutputType() != cel.BoolType {
		return nil, &mistake{message: "it must be true or false, such as host.labels.role == \"db\""}
	}
	return checked, nil
}

// compile makes a condition of an expression.
func (l language) compile(text expression) (condition, *mistake) {
	checked, wrong := l.check(string(text))
	if wrong != nil {
		return condition{}, wrong
	}
	c := condition{text: strings.TrimSpace(string(text))}
	info := checked.NativeRep().SourceInfo()
	for _, e := range conjuncts(checked.NativeRep().Expr()) {
		p, ok := l.part(e, info)
		if !ok {
			// What cannot be written out again is judged as a whole.
			program, err := l.program(checked)
			if err != nil {
				return condition{}, &mistake{message: err.Error()}
			}
			c.parts = []part{{text: c.text, program: program, host: true}}
			return c, nil
		}
		c.parts = append(c.parts, p)
	}
	return c, nil
}

// part compiles one operand of the outermost &&.
func (l language) part(e ast.Expr, info *ast.SourceInfo) (part, bool) {
	text, err := parser.Unparse(e, info)
	if err != nil {
		return part{}, false
	}
	checked, wrong := l.check(text)
	if wrong != nil {
		return part{}, false
	}
	program, err := l.program(checked)
	return part{text: text, program: program, host: mentions(checked, "host")}, err == nil
}

func (l language) program(checked *cel.Ast, options ...cel.EvalOption) (cel.Program, error) {
	if len(options) == 0 {
		options = []cel.EvalOption{cel.OptOptimize}
	}
	all := []cel.ProgramOption{cel.EvalOptions(options...)}
	if loops(checked) {
		all = append(all, cel.CostLimit(maxCost))
	}
	return l.env.Program(checked, all...)
}

// loops tells whether an expression goes over a list or a map. Only then can it cost
// more than its own length allows, and counting the cost doubles it.
func loops(checked *cel.Ast) bool {
	return contains(checked, func(e ast.Expr) bool { return e.Kind() == ast.ComprehensionKind })
}

// conjuncts are the operands of the outermost &&.
func conjuncts(e ast.Expr) []ast.Expr {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operators.LogicalAnd {
		return []ast.Expr{e}
	}
	var out []ast.Expr
	for _, arg := range e.AsCall().Args() {
		out = append(out, conjuncts(arg)...)
	}
	return out
}

// mentions tells whether an expression looks at a variable.
func mentions(checked *cel.Ast, variable string) bool {
	return contains(checked, func(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == variable })
}

// contains tells whether some part of an expression is such a one.
func contains(checked *cel.Ast, such func(ast.Expr) bool) bool {
	found := false
	ast.PreOrderVisit(checked.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) { found = found || such(e) }))
	return found
}

// world is what an expression sees. It implements cel.Activation.
type world struct {
	host  *Host
	patch *Patch
	now   any
}

// ResolveName implements cel.Activation.
func (w *world) ResolveName(name string) (any, bool) {
	switch name {
	case "host":
		return w.host, w.host != nil
	case "patch":
		return w.patch, true
	case "now":
		return w.now, true
	}
	return nil, false
}

// Parent implements cel.Activation.
func (w *world) Parent() cel.Activation { return nil }

// holds judges one part. A key that the host does not have is no error: such a host
// is not meant.
func (p part) holds(w *world) (bool, error) {
	out, _, err := p.program.Eval(w)
	if err != nil {
		if strings.Contains(err.Error(), "no such key") {
			return false, nil
		}
		return false, err
	}
	return out == types.True, nil
}

// outcome is what a condition came to.
type outcome struct {
	held bool
	// decided is the part that did not hold, or failed.
	decided string
	err     error
}

// judge judges the parts in their order. One that does not hold decides, whatever
// failed before it.
func (c condition) judge(w *world) outcome {
	result := outcome{held: true}
	for _, p := range c.parts {
		held, err := p.holds(w)
		switch {
		case err != nil && result.err == nil:
			result = outcome{decided: p.text, err: err}
		case err == nil && !held:
			return outcome{decided: p.text}
		}
	}
	return result
}

// settle judges the parts that do not look at the host, once for all hosts: it
// returns the condition without those that hold, or with only the one that decides.
func (c condition) settle(w *world) condition {
	left := condition{text: c.text}
	for _, p := range c.parts {
		if p.host {
			left.parts = append(left.parts, p)
			continue
		}
		held, err := p.holds(w)
		switch {
		case err != nil:
			left.parts = append(left.parts, p)
		case !held:
			return condition{text: c.text, parts: []part{p}}
		}
	}
	return left
}
