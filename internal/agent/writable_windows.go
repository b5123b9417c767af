package agent

// writable: metrics are written where the configuration says so, and nowhere else.
func writable(string) bool { return false }
