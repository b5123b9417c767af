package agent

import "time"

// TestOnlyClock replaces the session's wall clock.
func (s *Session) TestOnlyClock(now func() time.Time) { s.now = now }
