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
//	ssh-agent:              the only Ed25519 key of the running ssh-agent
//	ssh-agent:COMMENT       that key, by its comment,
//	ssh-agent:SHA256:…      by OpenSSH's fingerprint,
//	ssh-agent:0f3a55…       or by the first eight or more digits of our key ID
//
// Encrypted files are those of ssh-keygen (bcrypt_pbkdf and AES), so that
// ssh-keygen -p changes the passphrase and ssh-add takes the key.
//
// # What is refused
//
// Every signature is a plain Ed25519 signature over the document, which any host
// verifies. A security key (sk-ssh-ed25519@openssh.com) does not make one: it signs
// a digest together with flags and a counter of its own. It is refused with that
// reason. Whatever a source signs is verified before it is used.
package keysource
