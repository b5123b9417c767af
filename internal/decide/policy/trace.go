package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
	"cel.dev/cel-go/parser"

	"github.com/hotstick/hotstick"
)

// Trace is how a verdict came about: every rule that was judged, in order.
type Trace struct {
	Steps []Step `json:"steps"`
}

// Step is one judged rule.
type Step struct {
	// List is where the rule stands: eligible, demand_reversibility, rings, windows,
	// last, freezes or waivers; or way_back, whether the demand on the host is met.
	List string `json:"list"`
	Name string `json:"name"`
	// When is the rule's whole expression.
	When string `json:"when"`
	Held bool   `json:"held"`
	// Because is the smallest part of the expression that decided, and Values what
	// that part looked at.
	Because string  `json:"because"`
	Values  []Value `json:"values,omitempty"`
	// Waiver is the one that made up for the rule, or that the step judges.
	Waiver *Exception `json:"waiver,omitempty"`
}

// Exception is a signed waiver, as traces show it.
type Exception struct {
	Name string `json:"name"`
	// By are the persons who signed it, and Until is its end.
	By    []hotstick.Person `json:"by"`
	Why   string            `json:"why"`
	Until time.Time         `json:"until"`
}

func (w *waived) shown() *Exception {
	return &Exception{Name: w.Name, By: w.By, Why: w.Why, Until: w.Until}
}

// Value is what one part of an expression came to.
type Value struct {
	Expression string `json:"expression"`
	Value      string `json:"value"`
}

// Explain is [Judge.Judge] with the reasons: it judges every rule, also those behind
// the one that decided. It costs about a thousand times as much.
func (j *Judge) Explain(h Host) (Verdict, Trace) {
	v := j.Judge(h)
	r := j.policy.rule
	var t Trace
	for _, w := range j.waivers {
		if w.LeaveOut {
			s := j.step("waivers", w.Name, expression(w.Hosts))
			s.Waiver = w.shown()
			t.add(s)
		}
	}
	for _, e := range r.Eligible {
		s := j.step("eligible", string(e.Name), e.When)
		if w := j.waiverFor(e.Name); !s.Held && w != nil {
			s.Waiver = w.shown()
		}
		t.add(s)
	}
	j.explainDemand(&h, &t)
	for _, e := range r.Rings {
		if s := t.add(j.step("rings", string(e.Name), e.When)); s.Held {
			break
		}
	}
	if r.Last != "" {
		t.add(j.step("last", "last", r.Last))
	}
	for _, e := range r.Windows {
		if s := t.add(j.step("windows", string(e.Calendar), e.When)); s.Held {
			break
		}
	}
	for _, f := range j.policy.freezes {
		if f.When == "" {
			t.add(Step{List: "freezes", Name: string(f.Name), When: "true", Held: true, Because: "it is for every host"})
			continue
		}
		t.add(j.step("freezes", string(f.Name), f.When))
	}
	return v, t
}

func (t *Trace) add(s Step) Step {
	t.Steps = append(t.Steps, s)
	return s
}

// step judges one expression with its evaluation state.
func (j *Judge) step(list, name string, text expression) Step {
	s := Step{List: list, Name: name, When: strings.TrimSpace(string(text))}
	checked, wrong := j.policy.language.check(string(text))
	if wrong != nil {
		s.Because = wrong.message // it was compiled before
		return s
	}
	program, err := j.policy.language.program(checked, cel.OptExhaustiveEval)
	if err != nil {
		s.Because = err.Error()
		return s
	}
	out, details, err := program.Eval(&j.world)
	s.Held = err == nil && out == types.True
	if details == nil {
		s.Because = fmt.Sprint(err)
		return s
	}
	native := checked.NativeRep()
	f := finder{state: details.State(), info: native.SourceInfo()}
	decided := f.decider(native.Expr())
	s.Because = f.write(decided)
	s.Values = f.values(decided)
	return s
}

// finder looks for the part of an expression that decided.
type finder struct {
	state interpreter.EvalState
	info  *ast.SourceInfo
}

// decider goes down from an expression to the smallest part that alone gave it its
// value: the operand of && that is false, of || that is true, what is negated, the
// branch that was taken.
func (f finder) decider(e ast.Expr) ast.Expr {
	if e.Kind() != ast.CallKind {
		return e
	}
	call := e.AsCall()
	switch call.FunctionName() {
	case operators.LogicalNot:
		return f.decider(call.Args()[0])
	case operators.Conditional:
		branch := call.Args()[2]
		if f.is(call.Args()[0], types.True) {
			branch = call.Args()[1]
		}
		return f.decider(branch)
	case operators.LogicalAnd, operators.LogicalOr:
		return f.operand(e, call)
	}
	return e
}

// operand is the one that decided; all of them together if none did alone.
func (f finder) operand(e ast.Expr, call ast.CallExpr) ast.Expr {
	decisive := types.False
	if call.FunctionName() == operators.LogicalOr {
		decisive = types.True
	}
	for _, arg := range call.Args() {
		if f.is(arg, decisive) {
			return f.decider(arg)
		}
	}
	for _, arg := range call.Args() {
		if v, ok := f.state.Value(arg.ID()); ok && types.IsError(v) {
			return f.decider(arg)
		}
	}
	return e
}

func (f finder) is(e ast.Expr, want types.Bool) bool {
	v, ok := f.state.Value(e.ID())
	return ok && v == want
}

func (f finder) write(e ast.Expr) string {
	text, err := parser.Unparse(e, f.info)
	if err != nil {
		return "the expression"
	}
	return text
}

// values shows what the fields within a part came to.
func (f finder) values(e ast.Expr) []Value {
	var out []Value
	f.look(e, func(e ast.Expr) bool {
		v, ok := f.state.Value(e.ID())
		if !ok || (e.Kind() != ast.SelectKind && !isIndex(e)) {
			return true
		}
		value := Value{Expression: f.write(e), Value: show(v)}
		if !slices.Contains(out, value) {
			out = append(out, value)
		}
		return false
	})
	return out
}

// look walks over an expression, and below a part only if visit says so.
func (f finder) look(e ast.Expr, visit func(ast.Expr) bool) {
	if !visit(e) {
		return
	}
	switch e.Kind() {
	case ast.CallKind:
		call := e.AsCall()
		if call.IsMemberFunction() {
			f.look(call.Target(), visit)
		}
		for _, arg := range call.Args() {
			f.look(arg, visit)
		}
	case ast.SelectKind:
		f.look(e.AsSelect().Operand(), visit)
	case ast.ListKind:
		for _, item := range e.AsList().Elements() {
			f.look(item, visit)
		}
	case ast.ComprehensionKind:
		f.look(e.AsComprehension().IterRange(), visit)
	}
}

func isIndex(e ast.Expr) bool {
	return e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Index
}

// show writes a value as people read it, cut where it is long.
func show(v ref.Val) string {
	if wrong, ok := v.(*types.Err); ok {
		if strings.HasPrefix(wrong.Error(), "no such key") {
			return "missing"
		}
		return wrong.Error()
	}
	var text string
	switch value := v.Value().(type) {
	case string:
		text = fmt.Sprintf("%q", value)
	case time.Duration:
		text = span(value.Truncate(time.Second)).String()
	case time.Time:
		text = value.UTC().Format(time.RFC3339)
	default:
		text = fmt.Sprint(value)
	}
	if len(text) > 200 {
		text = text[:200] + "…"
	}
	return text
}
