// Package server is the control plane as one process: it opens the data
// directory, runs the server's loops and serves console, operator API and agents
// on one TLS listener.
//
// # Data directory
//
//	hotstick.db        the embedded database
//	ca/ca.pem, ca.key  the authority of hosts and of this server's certificate; see
//	                   internal/identity for what lies beside them while it changes
//	keys/online.pem    the online key that signs grants, bans, halts and orders
//	catalog/           the signed catalog with its artifacts
//
// [Initialise] makes authority, online key and first token; the catalog is made
// by whoever holds its offline keys. [New] opens the directory, [Server.Run]
// serves until its context ends. Everything in memory can be thrown away: after
// kill -9 a new process goes on from the database.
//
// # Routes
//
// Every route stands in one table with its access rule; what has no rule is not
// served. People and programs show a bearer token or the console's cookie; a route
// names the one right that it takes, and internal/identity says which roles have
// it. Hosts show a client certificate of the server's authority. Either is checked
// against the store at every request, and live streams when somebody may have lost
// a right.
//
// # Limits
//
// Every identity has a bound of requests a second and of requests open at once
// ([Rates]): a host, a token or a session, and an address for whoever is nobody
// yet. Every route has a bound of its body in bytes and in time, which ends with
// the body, so that held check-ins and live streams last. Wrong passwords slow down
// the person and the address, and lock nobody out. The tables behind all this have
// a fixed size and forget what was not used for the longest time.
//
// # Errors
//
// Every error is an RFC 9457 problem with a code, a message and a hint. Answers
// never repeat what was sent, for it may be a secret, and internal faults are
// logged, not told.
package server
