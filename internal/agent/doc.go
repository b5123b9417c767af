// Package agent is the half of a host that has a network and no privilege. It
// checks in with the server, fetches what the catalog lists, runs health probes,
// and carries messages between the server and the loader. It never changes a
// kernel and cannot make the loader load anything that is not signed.
//
// # Two paces
//
// While nothing happens the agent wakes up once a check-in, at the pace that the
// server's last answer gave, with jitter. While the loader works on an attempt
// it calls the loader twice a second: these calls are its sign of life, carry its
// probes' readings, and bring reports, which go to the server at once. In an
// active rollout the server may hold a check-in open until it has something to
// say.
//
// # When the server is away
//
// Nothing happens. Check-ins are tried again with growing pauses, the loader is
// called as before, and reports wait in the loader's ledger until a server has
// stored them.
//
// # Files
//
// The agent's directory, mode 0755 so that the loader can read what it needs:
//
//	identity.key   the identity key (PKCS #8 in PEM, 0600); it names the host for ever
//	identity.pub   its public half; the loader pins it
//	tls.pem        the TLS key and its certificate (0600), replaced as one
//	ca.pem         the server's certificate authority
//	root.json      the catalog's root as enrolled; the loader pins its digest
//	catalog/       the agent's verified copy of the catalog, and artifacts; the
//	               loader verifies it again from here
package agent
