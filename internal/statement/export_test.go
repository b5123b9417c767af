package statement

// SignPayload signs bytes that Sign would refuse, for tests of readers.
func SignPayload(kind Kind, payload []byte, signers ...Signer) ([]byte, error) {
	return signPayload(kind, payload, signers)
}
