// Package policy reads policies: YAML documents with CEL expressions that say
// which hosts may take a patch, in which order, when, how fast, and who must
// approve. A policy never starts anything: it shapes plans, and people sign those.
//
// # Documents
//
// One text holds one or more documents, parted by "---". Every document begins
// alike:
//
//	apiVersion: hotstick/policy/v1
//	kind: Policy        # or Calendar, Freeze
//	name: standard      # lower-case letters, digits and dashes; one of its kind
//	summary: one line for people
//
// A text is a whole, with at least one policy: what a document names (a calendar, a
// rule) stands in the same text. Its digest is the SHA-256 of its bytes, and every
// plan made under it carries that digest in its signed payload.
//
// Reading is strict. Unknown and repeated keys, empty values, anchors, aliases, tags
// and merge keys are refused; so is a text above [MaxBytes], with more than
// [MaxDocuments] documents, or nested deeper than people write. All problems are
// reported at once, each with line, column and what to do (see [Problem]).
//
// # Kinds
//
// A Policy has these keys, all but name optional:
//
//	applies:    {when: EXPR, urgency: N}  which patches it is for; [Set.Choose] takes the
//	            most urgent policy that applies
//	eligible:   [{name, when: EXPR}]      rules that must all hold
//	demand_reversibility: [{name, class, when: EXPR}]  how good the way back must be; the
//	            first that holds. The patch's is the worse of the catalog's and the host's
//	rings:      [{name, when: EXPR, after: SPAN}]  the first that holds
//	windows:    [{calendar, when: EXPR}]  the first that holds; "always" is built in
//	last:       EXPR                      hosts that go last
//	waves:      {bake: {first, canaries, widening}, stand_ins, widen, spread,
//	            representative, delay, manual}
//	attempt:    {probation, transition, transition_by: {DRIVER: SPAN}}
//	budgets:    [{domain, max | percent, quorum, open, mixed}]
//	gate:       {min_readings, fresh, background_ppm, false_alarm_ppm, slow_transition, stop_all}
//	plan:       {life, approvals, late: {labels}, reapplies}
//	drift:      report, or reapply: what somebody else took away is put back
//	tests:      [{name, at, host, patch, expect}]
//
// A Calendar has zone, windows: [{start, duration, rule, until}] and except. A
// Freeze has from, until, zone, reason and when.
//
// # Waivers
//
// An exception to a policy is no document of its text: it is a signed statement
// ([Waiver], internal/statement), which [Set.Compile] is given beside it. It names the
// policy, perhaps the digest of the text, and either the rules that the hosts it means
// need not keep, or that they are left out. A host that is let in by one may start
// until it ends, in a calendar of its own such as "nights until farm ends". One that
// has ended, or is for another policy or text, counts for nothing.
//
// # Expressions
//
// EXPR is CEL over host ([Host]), patch ([Patch]) and now, and is true or false.
// Calendars and freezes choose hosts with the same language, waivers with its selectors
// ([CompileSelector]). A host without
// a label that an expression asks for is not meant by it. Any other failure, such as
// an expression that costs too much, leaves the host out with that as the reason. An
// empty expression is refused: empty is never all.
//
// # Time
//
// SPAN is written with w, d, h, m and s, such as 1d12h. Windows are start-only: they
// bound when a host may begin, never when it must be done. A window's start is local
// time of its calendar's zone; [Set.Compile] turns windows into instants, as RFC 5545
// asks: a start in the hour that a spring change leaves out is read with the offset
// before the change (02:30 becomes 03:30), one in the hour that an autumn change
// doubles is the first of the two. A duration is elapsed time. Rules below DAILY are
// refused, for a wall clock has no answer to "every hour" on such days. Freezes are
// subtracted from the calendars there and then.
//
// # Use
//
//	set, err := policy.Parse(text)            // or policy.Default("standard")
//	p, err := set.Compile("standard", now, waivers...)
//	shape := p.Shape()                        // for the planner
//	judge := p.For(patch, now)
//	for _, h := range hosts {
//		verdict := judge.Judge(h)
//	}
//	verdict, trace := judge.Explain(h)        // why, on demand
package policy
