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
// renews when two thirds of the certificate's life are over, with the old
// certificate and the identity key together. How much later than that follows from
// the host's ID, so that a fleet does not renew in one minute. For 30 days after its
// end ([LapsedLife]) a certificate still renews itself and does nothing else. The
// authority signs only client certificates for hosts that the store knows, and the
// store is asked at every request, so a revoked host is out at its next one. An ID
// once used never comes back: the store keeps a tombstone.
//
// # Clocks
//
// Whether a host's certificate is valid is judged by the server's clock alone: a
// host renews what the server does not take any more, whatever its own clock says,
// and while it judges the server's certificate a host's clock never runs before the
// authority's first day. A server's clock that was set back makes certificates of the
// future, which still renew themselves. It also makes expired ones valid again: what
// ends a host is its revocation, which knows no time.
//
// # Tokens
//
// Join tokens, API tokens and console sessions are 160 random bits with a prefix
// that says what they are; the store holds only their SHA-256 digests. Join
// tokens are used once, or by so many hosts as they were made for, expire, and can be
// taken back. A token may be for a group: labels that a host must have to join with
// it, and in all its facts ever after; a host that leaves its group is not heard. A
// host whose enrolment answer was lost may repeat the very same enrolment: same
// token, same identity key.
//
// An API token that is made with another, or in a session that was opened with one,
// ends no later and is taken back with it. A new password ends the person's sessions and
// API tokens alike.
//
// # Changing the authority
//
// A join line pins the authority's certificate and the catalog's root. The authority
// may change; the root may not be passed over. So the next authority is named by a
// statement that a server key of the catalog's root-signed trust signed
// (statement.KindAuthority), and each host judges it by its own verified catalog. The
// old authority's key has no say: whoever stole it alone can pose as the server to
// hosts that trust it still, which gets him no statement that a host would obey, and
// can lead none of them to an authority of his own. Whoever stole the online key as
// well can, until the root names another key and epoch. A clean server then has a
// fresh authority ([Authority.Succeed]), and the statements that the new key signs say
// that it follows every authority that there was. A host that reads statements of an
// epoch later than the one since which it knows its authorities believes those alone,
// so one that was led away comes back; and because the thief's authority signed its
// certificate, for LapsedLife after the theft the identity key alone renews it.
//
// [Authority.Announce] makes the next authority. From then on it signs the
// certificates of hosts, both are trusted, and the server shows the old one. Hosts
// ask for the statements before each renewal, so after a certificate's life all that
// are up have heard, and [Authority.Replace] drops the old one: the server shows the
// new, hosts forget the old with their next renewal, and the old one's certificates
// renew themselves only, with the identity key's proof as always. A host that slept
// finds a server it does not know, asks it for the statements without trusting it,
// verifies them, and renews.
//
// # Files
//
// The authority lives in a directory of its own: ca.pem (the certificate, for
// clients) and ca.key (PKCS #8, mode 0600); next.pem and next.key while it changes;
// former.pem, the certificates of those that ended.
package identity
