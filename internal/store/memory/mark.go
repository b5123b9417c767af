package memory

func (t eventTable) Mark(name string) (string, error) { return t.s.marks[name], t.usable() }

func (t eventTable) SetMark(name, value string) error {
	if err := t.writable(); err != nil {
		return err
	}
	if t.s.marks[name] != value {
		set(t.tx, t.s.marks, name, value)
	}
	return nil
}
