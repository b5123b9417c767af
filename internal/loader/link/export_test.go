package link

import "time"

// Hurry shortens how long a call may take and a connection may be silent.
func (s *Server) Hurry(call, idle time.Duration) { s.call, s.idle = call, idle }
