package statement

import (
	"crypto/ed25519"
	"errors"
	"io"
	"time"

	"github.com/hotstick/hotstick"
)

var errLater = errors.New("cannot do this: not written yet")

// Signer holds one Ed25519 key and signs with it: a key file ([LoadSigner]), an
// agent or a token.
type Signer interface {
	// Public returns the public key, 32 bytes.
	Public() ed25519.PublicKey
	// Sign returns the signature over message, 64 bytes.
	Sign(message []byte) ([]byte, error)
}

// Key is a private key in memory. It implements [Signer].
type Key struct{ private ed25519.PrivateKey }

// GenerateKey makes a key from random (crypto/rand.Reader in production).
func GenerateKey(random io.Reader) (*Key, error) { return nil, errLater }

// NewKey makes a key from its 32-byte seed.
func NewKey(seed []byte) (*Key, error) { return nil, errLater }

// Public implements [Signer].
func (k *Key) Public() ed25519.PublicKey { return nil }

// Sign implements [Signer].
func (k *Key) Sign(message []byte) ([]byte, error) { return nil, errLater }

// Save writes the key to a new file (PKCS #8 in PEM, mode 0600) and syncs it. It
// never overwrites: the error then wraps fs.ErrExist.
func (k *Key) Save(path string) error { return errLater }

// LoadSigner reads a key file. It refuses a file that others than its owner may
// read or write, with the command that mends it.
func LoadSigner(path string) (Signer, error) { return nil, errLater }

// SavePublic writes a public key to a file (PKIX in PEM, mode 0644).
func SavePublic(path string, key ed25519.PublicKey) error { return errLater }

// LoadPublic reads a public key file.
func LoadPublic(path string) (ed25519.PublicKey, error) { return nil, errLater }

// KeyID names a key in envelopes: the SHA-256 digest of its 32 bytes in hexadecimal.
func KeyID(key ed25519.PublicKey) string { return "" }

// Error says why a statement is refused. Reason is for machines and hosts; the
// text is for people.
type Error struct {
	Reason hotstick.Reason
	text   string
}

// Error implements error.
func (e *Error) Error() string { return e.text }

// ReasonOf returns the reason of a refusal made by this package; for any other
// error it is ReasonSignature with the error's text as detail.
func ReasonOf(err error) hotstick.Reason { return hotstick.Reason{} }

// CheckTrust reports the first thing that makes trust unusable: a key of two
// persons, a server key that is also a person's, fewer persons than approvals need.
func CheckTrust(trust hotstick.Trust) error { return errLater }

// KindOf returns the kind that an envelope claims to be. Nothing is verified yet.
func KindOf(raw []byte) (Kind, error) { return "", errLater }

// Sign wraps body in an envelope with the signatures of all signers. body is the
// kind's own type: hotstick.Plan, [Grant], [Ban], [Halt], [Order] or [Clear]. It
// is validated first, so that a fault shows before it is signed.
func Sign(kind Kind, body any, signers ...Signer) ([]byte, error) { return nil, errLater }

// AddSignature returns the envelope with one more signature. It refuses a key
// that has signed already. The payload stays byte for byte what it was.
func AddSignature(raw []byte, signer Signer) ([]byte, error) { return nil, errLater }

// UnverifiedPlan is a plan whose signatures nobody has checked.
type UnverifiedPlan struct {
	Plan hotstick.Plan
	ID   hotstick.PlanID
}

// ParsePlan reads a plan without checking any signature.
func ParsePlan(raw []byte) (UnverifiedPlan, error) { return UnverifiedPlan{}, errLater }

// PlanReview says who has validly signed a plan and who is still missing. The
// author's signature was checked; the plan's life and epoch were not.
type PlanReview struct {
	Plan hotstick.Plan
	ID   hotstick.PlanID
	// Approvers are the persons besides the author who have validly signed, sorted.
	Approvers []hotstick.Person
	// Needed is how many of them the plan needs; 0 under single control.
	Needed int
	// Candidates are the persons who could still approve, sorted.
	Candidates []hotstick.Person
	// Ignored counts signatures that are wrong or by nobody we know.
	Ignored int
}

// Missing is how many approvals are still missing.
func (r PlanReview) Missing() int { return max(0, r.Needed-len(r.Approvers)) }

// Approved reports whether enough persons have signed.
func (r PlanReview) Approved() bool { return r.Missing() == 0 }

// SingleControl reports whether the author alone suffices.
func (r PlanReview) SingleControl() bool { return r.Needed == 0 }

// InspectPlan checks the author's signature and counts the approvals, so that a
// plan can be shown while it waits for approvers. Only [OpenPlan] makes a plan
// that may be acted on.
func InspectPlan(raw []byte, trust hotstick.Trust) (PlanReview, error) {
	return PlanReview{}, errLater
}

// OpenPlan verifies a plan completely: its author and enough other persons have
// signed exactly these bytes, its life is not over at now, and its epoch is the
// trust's. The errors are *Error with reasons signature, not_approved,
// plan_expired, stale_epoch or catalog_unknown (an epoch that the trust does not
// know yet).
func OpenPlan(raw []byte, trust hotstick.Trust, now time.Time) (hotstick.Plan, hotstick.PlanID, error) {
	return hotstick.Plan{}, "", errLater
}

// OpenGrant verifies a grant: signed by a server key of the trust's epoch. The
// caller still compares nonce, host, identity and build with its own, counts the
// life on its own clock and calls [CheckHost].
func OpenGrant(raw []byte, trust hotstick.Trust) (Grant, error) { return Grant{}, errLater }

// OpenBan verifies a ban.
func OpenBan(raw []byte, trust hotstick.Trust) (Ban, error) { return Ban{}, errLater }

// OpenHalt verifies a halt.
func OpenHalt(raw []byte, trust hotstick.Trust) (Halt, error) { return Halt{}, errLater }

// OpenOrder verifies an order to revert. The caller still compares nonce and host.
func OpenOrder(raw []byte, trust hotstick.Trust) (Order, error) { return Order{}, errLater }

// OpenClear verifies a clear: at least m persons signed it and its life is not
// over at now (reason grant_expired).
func OpenClear(raw []byte, trust hotstick.Trust, now time.Time) (Clear, error) {
	return Clear{}, errLater
}

// HostTree is the Merkle tree over a plan's host list. Making it costs two hashes
// a host; each proof afterwards costs none.
type HostTree struct{}

// NewHostTree hashes the hosts in the order of the list.
func NewHostTree(hosts []hotstick.PlanHost) (*HostTree, error) { return nil, errLater }

// Root returns what a plan's HostsRoot holds.
func (t *HostTree) Root() string { return "" }

// Prove returns the inclusion proof of the host at index, for a grant.
func (t *HostTree) Prove(index int64) ([]string, error) { return nil, errLater }

// HostsRoot returns the root over hosts, for a plan's HostsRoot.
func HostsRoot(hosts []hotstick.PlanHost) (string, error) { return "", errLater }

// ProveHost returns the inclusion proof of one host; use [HostTree] for many.
func ProveHost(hosts []hotstick.PlanHost, index int64) ([]string, error) { return nil, errLater }

// CheckHost checks that the grant's host is listed in the plan, with exactly this
// identity, kernel build and wave, and that the build has a lane. Reasons:
// not_in_plan, wrong_build.
func CheckHost(plan hotstick.Plan, id hotstick.PlanID, grant Grant) error { return errLater }

// CheckHosts checks that hosts is the plan's complete list: the root and all
// counts agree, no host is listed twice, every kernel build has a lane.
func CheckHosts(plan hotstick.Plan, hosts []hotstick.PlanHost) error { return errLater }
