package keysource

// ReadURI reads a URI, writes what finds its key, and reads that again, for fuzzing.
// It reports whether both reads say the same.
func ReadURI(text string) (ok, same bool) {
	u, err := parseTokenURI(text)
	if err != nil {
		return false, true
	}
	again, err := parseTokenURI(u.String())
	return true, err == nil && again.Token == u.Token && again.Object == u.Object && string(again.ID) == string(u.ID)
}

// ReadListing reads what the tool prints, for fuzzing. It returns the slots' IDs, and
// the IDs of the keys that are not doubtful.
func ReadListing(text string) (slots []string, keys [][]byte) {
	for _, s := range parseSlots(text) {
		slots = append(slots, s.id)
	}
	for _, o := range parseObjects(text) {
		if !o.doubtful {
			keys = append(keys, o.id)
		}
	}
	return slots, keys
}

// ReadTokenKey reads a public key as the tool prints it, for fuzzing.
var ReadTokenKey = parseTokenKey
