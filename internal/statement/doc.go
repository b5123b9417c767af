// Package statement holds the signed statements that people and servers make:
// plans, grants, bans, halts, orders to revert, clears, downgrades, waivers, emergency
// templates, evidence. It signs them, checks who signed, and hands out their contents
// only after that.
//
// This comment is the specification of the format.
//
// # Envelope
//
// A statement is a DSSE envelope (github.com/secure-systems-lab/dsse, version 1):
// one JSON object with exactly the fields payloadType, payload and signatures.
//
//	{"payloadType": "application/vnd.hotstick.grant.v1+json",
//	 "payload":     base64 of the body,
//	 "signatures":  [{"keyid": …, "sig": base64 of the signature}, …]}
//
// Signatures are over DSSE's pre-authentication encoding, which covers the payload
// type and the payload's bytes. They are of Ed25519, 64 bytes, or of ECDSA on P-256
// with SHA-256, in ASN.1 DER. Which one follows from the key (hotstick.TrustedKey),
// never from the envelope. Base64 is the standard alphabet with padding, in its one
// canonical form. keyid is the SHA-256 digest of the signer's public key, 32 bytes of
// Ed25519 or 65 of P-256, in lower-case hexadecimal; it is a hint that saves work,
// never a proof. An envelope carries one to [MaxSignatures] signatures, no two by one key.
// Signatures by keys that nobody knows count for nothing and do no harm.
//
// The body is one JSON object, the Go type below encoded by encoding/json. It is
// read as [strictjson] says: unknown and doubled fields are refused. Nobody needs a
// canonical form, because the signed bytes themselves are what is transported.
// Times are RFC 3339 in UTC with whole seconds.
//
// # Kinds
//
//	kind      body           signed by                 life
//	plan      hotstick.Plan  author and ≥ m approvers  not_after
//	grant     [Grant]        server key of the epoch   ttl_seconds, at most 60
//	ban       [Ban]          server key of the epoch   until cleared
//	halt      [Halt]         server key of the epoch   for ever
//	order     [Order]        server key of the epoch   ttl_seconds, at most 60
//	clear     [Clear]        ≥ m persons               not_after
//	template  [Template]     ≥ m persons               not_after
//	authority [Authority]    server key of the epoch   until another follows
//	downgrade [Downgrade]    ≥ m persons               not_after
//	waiver    [Waiver]       ≥ m persons               not_after
//	evidence  [Evidence]     a lab or builder          as long as its signer is trusted
//
// The payload type of a kind is application/vnd.hotstick.KIND.v1+json, but for
// evidence, which is an in-toto statement: application/vnd.in-toto+json. Templates
// travel inside plans. Plans, clears and downgrades are checked by server and loader, grants
// and orders by the loader, bans and halts by agent and loader, authorities by the
// agent, waivers and evidence by the server. An envelope of another kind, or of
// another version of a kind, is refused. Envelopes of plans are at most
// [MaxPlanBytes] long, all others at most [MaxBytes].
//
// # Who may sign
//
// Keys are bound to persons, and the server's keys to an epoch, by hotstick.Trust,
// which comes from the catalog's root metadata and from nowhere else. A person's key
// may be of either algorithm, the server's are Ed25519. m is
// Trust.Approvals. What counts is persons: two keys of one person count once, and
// the author of a plan is never an approver of it. Only where the trust says
// author_may_approve (then m is 1) the author's signature suffices. A plan may ask
// for more approvers than m (approvals), never for fewer.
//
// A plan's identity, hotstick.PlanID, is the digest of its payload, so signatures
// that are added later leave it as it was and any edit makes another plan.
//
// # Emergencies
//
// A template says, in calm times and with m signatures, how fast a plan may go when
// nobody has time to find m approvers. A plan that carries the template's envelope
// in its field emergency needs one approver, who is another person than its author.
// It must keep within the template (see [Template.Permits]): the patch, the first
// wave, every bake, delay, budget and the life; its gates ask for exactly what the
// template says; it continues no other plan and goes back to no older level. Every
// loader checks that. The template's signatures are checked under the trust of the
// moment, so it ends with the persons who signed it.
//
// The use of a template is no statement of its own: it is the plan, with two persons'
// signatures on it.
//
// # Exceptions
//
// A downgrade and a waiver say why, and end within [MaxExceptionLife]. A downgrade
// permits nothing but the start of the one level on hosts that it covers
// ([Downgrade.Covers]); loaders remember the highest level that was confirmed, and
// refuse a plan of an older one without it.
//
// Nobody takes a downgrade, a waiver, a clear or a template that is dated more than
// [MaxAhead] after the clock of whoever reads it.
//
// # Epoch
//
// Plans, grants, bans, halts and orders carry the epoch in which they were made. It
// must be the trust's: an older one is refused as stale_epoch, a newer one as
// catalog_unknown, because the reader's catalog is then behind.
//
// # Host list
//
// A plan commits to its hosts by the root of a Merkle tree as RFC 6962 defines it
// (package golang.org/x/mod/sumdb/tlog). The leaf of a host is the text
//
//	hotstick/plan-host/v1 LF identity LF release LF arch LF build ID LF calendar LF wave LF
//
// and in a plan for a CVE, which may have several lanes for one kernel build,
//
//	hotstick/plan-host/v2 LF identity LF release LF arch LF build ID LF calendar LF driver LF wave LF
//
// with the identity fingerprint written sha256:…, the name of the calendar in whose
// windows the host may start (empty for any time), and in decimal the earliest wave in
// which the host may start: a stand-in's is that of its canary, any other host's
// is its own. Leaves stand in the order of the plan's host list; a grant names its
// index and brings the inclusion proof. Root and proof hashes are written sha256:…
// as well.
//
// A stand-in names a listed canary of the same kernel build in an earlier wave that
// is no stand-in itself; a canary has at most hotstick.MaxStandIns. A wave counts
// the hosts whose own wave it is, stand-ins too.
//
// A grant with late set is for a host that is not listed. It is good only where the
// plan has a rule for late hosts, for the last wave, on a kernel build with a lane,
// and if the labels set on the host itself are what the rule says.
//
// # Key files
//
// A private key is PKCS #8 in PEM with mode 0600, a public key PKIX in PEM: what
// openssl genpkey -algorithm ed25519 (or EC, with the group P-256) and openssl pkey
// -pubout write. A server's and a host's are Ed25519.
package statement
