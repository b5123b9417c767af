package hotstick

// Claim says in words what holds of a level that a driver of the class brings into effect.
// Whoever signs a plan reads it there, and every screen says it with the same words.
func (c TrustClass) Claim() string {
	switch c {
	case TrustBytes:
		return "the host's own loader loads exactly the bytes that the catalog's publishers signed"
	case TrustPin:
		return "the vendor's daemon loads the vendor's bytes; Hotstick holds it to the level that the catalog's publishers signed, and the kernel says what is in effect"
	case TrustStep:
		return "the vendor's tools are run as the catalog's publishers signed it, and load the vendor's bytes; the kernel says what is in effect"
	}
	return "nobody says what loads it"
}
