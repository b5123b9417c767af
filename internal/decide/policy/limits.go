package policy

import "time"

// Limits of one text. What is beyond them is refused before it is read further.
const (
	MaxBytes     = 256 << 10
	MaxDocuments = 100

	maxRules      = 64 // rules, demands, rings or windows of one policy
	maxExpression = 4 << 10
	maxRule       = 500
	maxCost       = 20_000
	maxSpan       = 3650 * 24 * time.Hour
	maxLife       = 90 * 24 * time.Hour
	minYear       = 2000
	maxYear       = 2200
	// maxCuts bounds the freezes with a selector that one plan's life can meet: each
	// doubles the calendars.
	maxCuts = 4
)

// defaultLife is a plan's life where the policy sets none, as the planner has it.
const defaultLife = 14 * 24 * time.Hour
