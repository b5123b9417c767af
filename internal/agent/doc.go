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
// A loader with nothing to do ends, and a call would start it. So it leaves word of its
// state where the agent reads it without a call (see package link). As long as that is
// the state that the agent was told, and the kernel lists the same live patches, which
// the agent sees by itself, a check-in says that the loader rests, and calls nobody.
//
// # Core and surroundings
//
// [Core] is the agent's memory and its decisions, without goroutine, timer, wall
// clock or global randomness; the loader and the observer are called within its
// methods. [Agent] puts it on a real machine. A simulator drives a core by itself:
//
//	core := agent.NewCore(cfg)
//	at core.Due()            work := core.Wake(ctx)
//	probes answered          work := core.Heard(ctx, readings...)
//	work.Sync was answered   work := core.Arrive(ctx, resp, err)
//	work.Catalog was done    work := core.Refreshed(ctx, version, err)
//	work.Artifacts were too  work := core.Fetched(ctx)
//	a mirror was followed    work := core.Mirrored(ctx, version, report)
//
// Each method returns the work that is wanted next, and may change Due and
// Watched, so both are read again after each call. What was asked for must end
// within [Work].Within, with an error if need be, for until then no other check-in
// departs. After [Work].Recall it ends with context.Canceled, unless it has ended
// already. A crash of the agent is to forget the core and make a new one; the
// loader and the catalog's directory keep what must be kept.
//
// # When the server is away
//
// Nothing happens. Check-ins are tried again with growing pauses, the loader is
// called as before, and reports wait in the loader's ledger until a server has
// stored them.
//
// # Mirrors
//
// The host's configuration may name mirrors of the catalog. Each is followed at a
// pace of its own, also while the server is away, and with the same checks as the
// server; whichever has the newest properly signed catalog is believed. So a server
// that was stolen cannot keep a recall from its hosts. A server whose catalog is
// older than a mirror's is asked for it at the mirrors' pace only. Artifacts that
// the server does not give come from mirrors too. What a mirror does wrong is logged
// when it changes; see docs/how-to/mirror-the-catalog.md.
//
// # Files
//
// The agent's directory, mode 0755 so that the loader can read what it needs:
//
//	identity.key   the identity key (PKCS #8 in PEM, 0600); it names the host for ever
//	identity.pub   its public half; the loader pins it
//	tls.pem        the TLS key and its certificate (0600), replaced as one
//	ca.pem         the server's certificate authority; two while it changes
//	ca.epoch       the epoch of the catalog's trust that vouched for them last
//	labels.json    the labels that the join line gave the host
//	root.json      the catalog's root as enrolled; the loader pins its digest
//	new-identity/  the same files of a new identity, while the host joins with it
//	probe.fsync    what the probe fsync writes, again and again
//	catalog/       the agent's verified copy of the catalog, and artifacts; the
//	               loader verifies it again from here
//	audit/         the newest checkpoint of the server's audit log that followed,
//	               and the evidence where a later one did not (see internal/audit)
//
// # Witness
//
// Each check-in says which checkpoint of the audit log the agent remembers; the
// answer brings a newer one with the proof that it follows. One that does not is
// refused, kept with the one before as evidence, logged, and shown to the server
// with every check-in until it follows again.
package agent
