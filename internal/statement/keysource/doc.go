// Package keysource opens the private keys of people, wherever they are kept. Only
// the command line uses it: servers and hosts keep plain key files, which
// statement.LoadSigner reads.
//
// # Names
//
// A key is named by one text:
//
//	ada.pem                 a file: PKCS #8 in PEM, or OpenSSH's own format, which may
//	                        be encrypted with a passphrase
//	ssh-agent:              the only key of the running ssh-agent that can sign
//	ssh-agent:COMMENT       that key, by its comment,
//	ssh-agent:SHA256:…      by OpenSSH's fingerprint,
//	ssh-agent:0f3a55…       or by the first eight or more digits of our key ID
//	pkcs11:token=ada        the only key of that token,
//	pkcs11:token=ada;object=sign;id=%01
//	                        or that one, by its label, its ID or both
//
// Keys are Ed25519 or ECDSA P-256. The two are equals; which to take depends on where
// the key is to live.
//
// Encrypted files are those of ssh-keygen (bcrypt_pbkdf and AES), so that
// ssh-keygen -p changes the passphrase and ssh-add takes the key.
//
// # Tokens
//
// The name of a key on a token is a URI of RFC 7512, of which these attributes are
// read and any other is refused:
//
//	token, object    labels, in UTF-8; exactly as they are on the token
//	id               the key's ID; %01%0A are two bytes
//	?pin-source      a file with the PIN, which only its owner may read; without it a
//	                 person is asked
//	&module-path     the full path of the token's PKCS#11 library; without it
//	                 [Environment.TokenModule]
//
// OpenSC's pkcs11-tool loads that library, in a process of its own, for a minute at
// most and with at most 64 KiB of output. It gets the PIN in its environment, never as
// an argument, and what is to be signed as a SHA-256 digest. The tool searches tokens by the
// beginning of their label and signs with the first private key of an ID, whatever
// label was given; so token and key are found by listing them first, must be the only
// ones that fit, and the key needs an ID that no other key of the token has.
//
// # What is refused
//
// Every signature is a plain one over the document, which any host verifies. A
// security key (sk-ssh-ed25519@openssh.com) does not make one: it signs a digest
// together with flags and a counter of its own. An Ed25519 key on a token signs the
// document itself, of which pkcs11-tool 0.23 takes at most 1,024 bytes, fewer than a
// plan has. Both are refused with their reason. Whatever a source signs is verified
// before it is used.
package keysource
