package catalog

// CutPower makes the client's disk ask cut before each file gets its name.
func (c *Client) CutPower(cut func(name string) error) { c.disk.cut = cut }

// CutPower makes the repository's disk ask cut before each file gets its name.
func (r *Repository) CutPower(cut func(name string) error) { r.disk.cut = cut }

// ReadLinks reads data as timestamp and as snapshot metadata, for fuzzing.
func ReadLinks(data []byte) (bool, bool) {
	_, err := readTimestamp(data)
	_, err2 := readSnapshot(data)
	return err == nil, err2 == nil
}
