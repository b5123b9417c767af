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
		{"edit-keeps-approvals", "an edited plan keeps its approvals"},
		{"empty-selects-all", "an empty selector selects every host"},
		{"halt-not-checked", "a grant is not conditional on the plan's status"},
		{"ban-not-checked", "a grant is not conditional on the bans"},
		{"crash-print-ignored", "a level starts on machines of a kind that crashed with it"},
		{"change-unaudited", "a host's row changes without an audit leaf"},
		{"budget-off-by-one", "a domain takes one host more than its budget"},
		{"probation-frees-slot", "a host on probation gives its slot back"},
		{"plans-share-nothing", "two plans do not see each other's slots"},
		{"quorum-forgets-the-down", "a quorum domain does not count members that are down"},
		{"wave-order-ignored", "every wave is open from the start"},
		{"bake-skipped", "a wave passes before its bake is over"},
		{"no-data-passes", "a gate without readings passes"},
		{"window-ignored", "hosts start outside their windows"},
		{"freeze-ignored", "hosts start while changes are frozen"},
		{"exclusion-ignored", "a host that people keep out is changed"},
		{"reapplies-for-ever", "what somebody took away is put back as often as it goes"},
		{"revert-ignores-budget", "all hosts are sent back at once"},
		{"other-attempt-counts", "a report of another attempt moves the row"},
		{"clock-jumps", "a server counts bakes and silence by its machine's clock"},
		{"stale-is-known", "an old check-in counts as what is"},
		{"moving-is-known", "a level in transition counts as in effect"},
		{"boot-not-compared", "a check-in of another boot is taken for the same boot"},
		{"old-check-in-taken", "a check-in that was overtaken counts"},
	}
}

// Owned lists the bugs that do harm only where a thief owns the servers: each is one
// check of a loader that is left out wherever it stands.
func Owned() []Planted {
	return []Planted{
		{"grant-of-another-host", "a grant for another host starts this one"},
		{"grant-taken-twice", "a grant starts as often as it comes"},
		{"long-life-taken", "a grant lives as long as it says"},
		{"delay-ignored", "a signed delay counts for nothing"},
		{"window-unchecked", "a loader starts outside the windows of its host's calendar"},
		{"late-unchecked", "every host fits a plan's rule for late hosts"},
		{"plan-never-expires", "a plan's life has no end"},
		{"expired-catalog-starts", "a level starts from a catalog that has expired"},
		{"older-level-starts", "a level starts whatever is in effect"},
		{"bytes-unchecked", "bytes are loaded that do not have their digest"},
		{"signatures-count", "signatures are counted, whoever made them, and not persons"},
		{"server-counts-as-everybody", "the server's signature stands for all persons"},
	}
}

// PowerCuts lists the bugs that do harm only where the power goes while a disk still has
// to write what it was given.
func PowerCuts() []Planted {
	return []Planted{
		{"nothing-synced", "a loader's files are written and renamed, and never synced"},
	}
}
