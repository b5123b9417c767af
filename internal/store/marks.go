package store

// MarkTable holds marks: what the server remembers beside its rows, such as which
// catalog the audit log tells of. A mark changes together with the event that says
// why.
type MarkTable interface {
	// Mark returns a mark's value, empty if it was never set.
	Mark(name string) (string, error)
	SetMark(name, value string) error
}
