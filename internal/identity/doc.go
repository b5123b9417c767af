// Package identity says who is who: the server's certificate authority, the
// certificates of hosts, and the tokens of people and programs.
//
// # Hosts
//
// A host has two keys. Its identity key (Ed25519) is made on the host, never
// leaves it and names the host for ever: the host ID and the fingerprint in
// plans derive from it. Its TLS key lives in short certificates ([CertificateLife])
// that carry the URI
//
//	spiffe://DOMAIN/host/HOSTID
//
// and nothing else of meaning. A host enrols once, with a single-use join token
// and the identity key's signature over its certificate request; afterwards it
// renews at half of the certificate's life with the old certificate and the
// identity key together. The authority signs only client certificates for hosts
// that the store knows, and the store is asked at every request, so a revoked
// host is out at its next one. An ID once used never comes back: the store keeps
// a tombstone.
//
// # Tokens
//
// Join tokens, API tokens and console sessions are 160 random bits with a prefix
// that says what they are; the store holds only their SHA-256 digests. Join
// tokens are used once and expire. A host whose enrolment answer was lost may
// repeat the very same enrolment: same token, same identity key.
//
// # Files
//
// The authority lives in a directory of its own: ca.pem (the certificate, for
// clients) and ca.key (PKCS #8, mode 0600).
package identity
