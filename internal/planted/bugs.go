package planted

// Planted is one deliberate bug.
type Planted struct {
	// Name is what [Bug] is asked for.
	Name string
	// Text says what goes wrong.
	Text string
}

// Bugs lists every bug that is planted somewhere: first what goes wrong on a host,
// then what goes wrong in signed documents, then on a server.
func Bugs() []Planted {
	return []Planted{
		{"intent-not-durable", "an intent is not written before the load"},
		{"confirm-not-durable", "the end of an attempt is not written"},
		{"bans-lost-on-restart", "a restarted loader forgets its bans"},
		{"halts-lost-on-restart", "a restarted loader forgets its halted plans"},
		{"banned-patch-starts", "a loader arms what it knows to be banned"},
		{"halted-plan-starts", "a loader starts a plan that it knows to be halted"},
		{"grant-never-expires", "a grant is good for ever"},
		{"attempt-repeats", "a used attempt is armed again"},
		{"delay-by-wall-clock", "a signed delay runs on the wall clock"},
		{"no-strike", "a crash is taken for a clean shutdown"},
		{"boot-loop", "a level comes back after any number of unclean boots"},
		{"banned-level-comes-back", "a banned level comes back after a reboot"},
		{"transition-ignored", "a running transition counts as in effect"},
		{"dead-man-sleeps", "a probation without answers never ends"},
		{"revert-to-none", "a revert forgets the level before"},
		{"proof-unchecked", "a grant needs no proof that the plan lists the host"},
		{"author-approves", "the author counts as an approver"},
		{"old-epoch-taken", "a document of an older epoch is taken"},
	}
}
