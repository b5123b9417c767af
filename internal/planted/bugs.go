package planted

// Planted is one deliberate bug.
type Planted struct {
	// Name is what [Bug] is asked for.
	Name string
	// Text says what goes wrong.
	Text string
}

// Bugs lists every bug that is planted somewhere, in the order of the list that
// they were taken from.
func Bugs() []Planted { return nil }
