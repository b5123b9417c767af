package statement

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
)

// The schemas of leaves; the second is that of hosts which name their lane's driver.
const (
	leafSchema       = "hotstick/plan-host/v1"
	leafDriverSchema = "hotstick/plan-host/v2"
)

// seat is what a plan's signatures say of one host. wave is the first in which it may
// start, calendar the one that it keeps to; driver is empty where the kernel build alone
// says which lane it is in.
type seat struct {
	identity         hotstick.Fingerprint
	build            hotstick.KernelBuild
	driver, calendar string
	wave             int
}

func seatOf(h hotstick.PlanHost) seat {
	return seat{identity: h.Identity, build: h.Build, driver: h.Driver, calendar: h.Calendar, wave: h.EarliestWave()}
}

// leaf appends the canonical text of the host to b; its parts contain no line feed.
func (s seat) leaf(b []byte) []byte {
	schema := leafSchema
	if s.driver != "" {
		schema = leafDriverSchema
	}
	for _, part := range [...]string{schema, string(s.identity), s.build.Release, s.build.Arch, s.build.BuildID, s.calendar} {
		b = append(append(b, part...), '\n')
	}
	if s.driver != "" {
		b = append(append(b, s.driver...), '\n')
	}
	return append(strconv.AppendInt(b, int64(s.wave), 10), '\n')
}

// HostTree is the Merkle tree over a plan's host list. Making it costs two hashes
// a host and holds 64 bytes a host; each proof afterwards costs no hashing of hosts.
type HostTree struct {
	// stored holds the tree's hashes where tlog.StoredHashIndex says.
	stored []tlog.Hash
	count  int64
	root   tlog.Hash
}

// NewHostTree hashes the hosts in the order of the list.
func NewHostTree(hosts []hotstick.PlanHost) (*HostTree, error) {
	if len(hosts) == 0 || len(hosts) > hotstick.MaxPlanHosts {
		return nil, fmt.Errorf("cannot use a list of %d hosts: an empty selection is never all hosts, and the limit is %d", len(hosts), hotstick.MaxPlanHosts)
	}
	t := &HostTree{count: int64(len(hosts))}
	t.stored = make([]tlog.Hash, 0, tlog.StoredHashCount(t.count))
	builds := map[hotstick.KernelBuild]bool{}
	text := make([]byte, 0, 256)
	for i, h := range hosts {
		if err := checkListed(h, builds); err != nil {
			return nil, fmt.Errorf("cannot use host %d of the list: %w", i, err)
		}
		text = seatOf(h).leaf(text[:0])
		t.add(int64(i), tlog.RecordHash(text))
	}
	root, err := tlog.TreeHash(t.count, t)
	if err != nil {
		return nil, fmt.Errorf("cannot hash the host list: %w", err)
	}
	t.root = root
	return t, nil
}

// checkListed checks what goes into a leaf. builds remembers what was valid, since
// a fleet has few builds and many hosts.
func checkListed(h hotstick.PlanHost, builds map[hotstick.KernelBuild]bool) error {
	if first := h.EarliestWave(); first < 0 || h.Wave >= hotstick.MaxPlanWaves {
		return fmt.Errorf("cannot use wave %d, or %d", h.Wave, first)
	}
	if strings.Contains(h.Calendar, "\n") || strings.Contains(h.Driver, "\n") {
		return fmt.Errorf("cannot use a calendar named %q, or a driver named %q", h.Calendar, h.Driver)
	}
	if !builds[h.Build] {
		if err := h.Build.Validate(); err != nil {
			return err
		}
		builds[h.Build] = true
	}
	// A plan may list a million hosts: hotstick.Digest.Validate costs ten times as
	// much as this, and is asked only to say what is wrong.
	if !isDigest(string(h.Identity)) {
		return cmp.Or(h.Identity.Validate(), errNotDigest)
	}
	return nil
}

var errNotDigest = errors.New("cannot use the host's identity")

func isDigest(s string) bool {
	digits, ok := strings.CutPrefix(s, "sha256:")
	if !ok || len(digits) != 64 {
		return false
	}
	for i := range len(digits) {
		if c := digits[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// add stores leaf n and the subtrees that it completes, as tlog.StoredHashes
// would, without allocating for each leaf.
func (t *HostTree) add(n int64, h tlog.Hash) {
	t.stored = append(t.stored, h)
	for level := range bits.TrailingZeros64(uint64(n + 1)) {
		left := t.stored[tlog.StoredHashIndex(level, n>>level-1)]
		h = tlog.NodeHash(left, h)
		t.stored = append(t.stored, h)
	}
}

// ReadHashes implements tlog.HashReader.
func (t *HostTree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(t.stored)) {
			return nil, fmt.Errorf("cannot read hash %d of %d", x, len(t.stored))
		}
		hashes[i] = t.stored[x]
	}
	return hashes, nil
}

// Root returns what a plan's HostsRoot holds.
func (t *HostTree) Root() string { return formatHash(t.root) }

// Prove returns the inclusion proof of the host at index, for a grant.
func (t *HostTree) Prove(index int64) ([]string, error) {
	if index < 0 || index >= t.count {
		return nil, fmt.Errorf("cannot prove host %d of a list of %d", index, t.count)
	}
	proof, err := tlog.ProveRecord(t.count, index, t)
	if err != nil {
		return nil, fmt.Errorf("cannot prove host %d: %w", index, err)
	}
	s := make([]string, len(proof))
	for i, h := range proof {
		s[i] = formatHash(h)
	}
	return s, nil
}

// HostsRoot returns the root over hosts, for a plan's HostsRoot.
func HostsRoot(hosts []hotstick.PlanHost) (string, error) {
	t, err := NewHostTree(hosts)
	if err != nil {
		return "", err
	}
	return t.Root(), nil
}

// ProveHost returns the inclusion proof of one host; use [HostTree] for many.
func ProveHost(hosts []hotstick.PlanHost, index int64) ([]string, error) {
	t, err := NewHostTree(hosts)
	if err != nil {
		return nil, err
	}
	return t.Prove(index)
}

// CheckHost checks that the grant's host is listed in the plan, with exactly this
// identity, kernel build, calendar and earliest wave, and that the build has a lane. A late
// host is not listed; the plan must have a rule for late hosts, and the wave must
// be its last. The caller still compares that rule with the host's own labels.
// Reasons: not_in_plan, wrong_build.
func CheckHost(plan hotstick.Plan, id hotstick.PlanID, grant Grant) error {
	switch {
	case grant.Plan != id:
		return refuse(hotstick.ReasonNotInPlan, "cannot take a grant of plan %s for plan %s", grant.Plan.Short(), id.Short())
	case grant.Wave < 0 || grant.Wave >= len(plan.Waves):
		return refuse(hotstick.ReasonNotInPlan, "cannot take a grant for wave %d: the plan has %d", grant.Wave, len(plan.Waves))
	}
	if _, ok := plan.Lane(grant.Build, grant.Driver); !ok {
		return refuse(hotstick.ReasonWrongBuild, "cannot take a grant for %s: the plan has no lane for it", grant.Build)
	}
	if grant.Late {
		return checkLate(plan, grant)
	}
	root, err := parseHash(plan.HostsRoot)
	if err != nil {
		return refuse(hotstick.ReasonNotInPlan, "%v", err)
	}
	if len(grant.Proof) > MaxProof {
		return refuse(hotstick.ReasonNotInPlan, "cannot take a proof of %d hashes", len(grant.Proof))
	}
	proof := make(tlog.RecordProof, len(grant.Proof))
	for i, s := range grant.Proof {
		if proof[i], err = parseHash(s); err != nil {
			return refuse(hotstick.ReasonNotInPlan, "%v", err)
		}
	}
	at := seat{identity: grant.Identity, build: grant.Build, driver: grant.Driver, calendar: grant.Calendar, wave: grant.Wave}
	h := tlog.RecordHash(at.leaf(nil))
	if err := tlog.CheckRecord(proof, int64(plan.HostCount), root, grant.Index, h); err != nil && !planted.Bug("proof-unchecked") {
		return refuse(hotstick.ReasonNotInPlan, "cannot take the grant: host %s with %s in wave %d by calendar %q is not host %d of the plan",
			grant.Host, grant.Build, grant.Wave, grant.Calendar, grant.Index)
	}
	return nil
}

func checkLate(plan hotstick.Plan, grant Grant) error {
	switch {
	case plan.Late == nil:
		return refuse(hotstick.ReasonNotInPlan, "cannot take a grant for a late host: the plan admits none")
	case grant.Wave != len(plan.Waves)-1:
		return refuse(hotstick.ReasonNotInPlan, "cannot take a grant for a late host in wave %d: late hosts join the last", grant.Wave)
	case grant.Calendar != plan.Late.Calendar:
		return refuse(hotstick.ReasonNotInPlan, "cannot take a grant for a late host by calendar %q: the plan says %q", grant.Calendar, plan.Late.Calendar)
	}
	return nil
}

// CheckHosts checks that hosts is the plan's complete list: the root and all
// counts agree, no host is listed twice, each host's ID belongs to its identity,
// every kernel build has a lane, every calendar that is named exists, and stand-ins
// are as the plan's format says. An approver calls it before signing.
func CheckHosts(plan hotstick.Plan, hosts []hotstick.PlanHost) error {
	if len(hosts) != plan.HostCount {
		return fmt.Errorf("cannot take %d hosts as the list of a plan of %d", len(hosts), plan.HostCount)
	}
	named := nameableIn(plan)
	seen := make(map[hotstick.Fingerprint]bool, len(hosts))
	waves := make([]int, len(plan.Waves))
	for i, h := range hosts {
		switch {
		case h.Wave < 0 || h.Wave >= len(plan.Waves):
			return fmt.Errorf("cannot take host %d (%s): it is in wave %d of %d", i, h.Host, h.Wave, len(plan.Waves))
		case seen[h.Identity]:
			return fmt.Errorf("cannot take host %d (%s): it is listed twice", i, h.Host)
		case h.Host != hostOf(h.Identity):
			return fmt.Errorf("cannot take host %d: the ID %.40q does not belong to its identity", i, h.Host)
		case !named.has(h):
			return fmt.Errorf("cannot take host %d (%s): the plan has no lane for %s %s", i, h.Host, h.Build, h.Driver)
		case !named.calendars[h.Calendar]:
			return fmt.Errorf("cannot take host %d (%s): the plan has no calendar %.80q", i, h.Host, h.Calendar)
		}
		seen[h.Identity] = true
		waves[h.Wave]++
	}
	for i, n := range waves {
		if n != plan.Waves[i].Hosts {
			return fmt.Errorf("cannot take the list: wave %d has %d hosts and the plan says %d", i, n, plan.Waves[i].Hosts)
		}
	}
	if err := checkStandIns(hosts); err != nil {
		return err
	}
	root, err := HostsRoot(hosts)
	if err != nil {
		return err
	}
	if root != plan.HostsRoot {
		return fmt.Errorf("cannot take the list: its root is %s and the plan says %s", root, plan.HostsRoot)
	}
	return nil
}

// nameable is what hosts may name of a plan: lanes, and calendars, of which no name is one
// too.
type nameable struct {
	lanes     map[place]hotstick.PatchRef
	calendars map[string]bool
}

// place is how a host names its lane.
type place struct {
	build  hotstick.KernelBuild
	driver string
}

// has reports whether a host's lane is the plan's, with the patch that the host names.
func (n nameable) has(h hotstick.PlanHost) bool {
	patch, ok := n.lanes[place{h.Build, h.Driver}]
	return ok && patch == h.Patch
}

func nameableIn(plan hotstick.Plan) nameable {
	n := nameable{lanes: map[place]hotstick.PatchRef{}, calendars: map[string]bool{"": true}}
	for _, l := range plan.Lanes {
		if plan.CVE == "" {
			n.lanes[place{build: l.Build}] = hotstick.PatchRef{}
		} else {
			n.lanes[place{l.Build, l.Driver}] = l.Patch
		}
	}
	for _, c := range plan.Calendars {
		n.calendars[c.Name] = true
	}
	return n
}

// checkStandIns checks that every stand-in names a canary of the list that it can
// prove as much as: of the same kernel build, in an earlier wave, and no stand-in
// itself. A canary has at most hotstick.MaxStandIns.
func checkStandIns(hosts []hotstick.PlanHost) error {
	canaries := map[hotstick.HostID]hotstick.PlanHost{}
	for _, h := range hosts {
		if h.StandIn != nil {
			canaries[h.StandIn.For] = hotstick.PlanHost{}
		}
	}
	if len(canaries) == 0 {
		return nil
	}
	for _, h := range hosts {
		if _, wanted := canaries[h.Host]; wanted {
			canaries[h.Host] = h
		}
	}
	taken := map[hotstick.HostID]int{}
	for i, h := range hosts {
		if h.StandIn == nil {
			continue
		}
		canary := canaries[h.StandIn.For]
		taken[canary.Host]++
		switch {
		case canary.Host == "":
			return fmt.Errorf("cannot take host %d (%s): it stands in for %.40q, which is not listed", i, h.Host, h.StandIn.For)
		case canary.StandIn != nil:
			return fmt.Errorf("cannot take host %d (%s): it stands in for a stand-in", i, h.Host)
		case canary.Wave != h.StandIn.Wave || canary.Wave >= h.Wave:
			return fmt.Errorf("cannot take host %d (%s) of wave %d: it stands in for a canary in wave %d, not in wave %d",
				i, h.Host, h.Wave, canary.Wave, h.StandIn.Wave)
		case canary.Build != h.Build || canary.Driver != h.Driver:
			return fmt.Errorf("cannot take host %d (%s): the canary that it stands in for runs %s", i, h.Host, canary.Build)
		case taken[canary.Host] > hotstick.MaxStandIns:
			return fmt.Errorf("cannot take host %d (%s): its canary has more than %d stand-ins", i, h.Host, hotstick.MaxStandIns)
		}
	}
	return nil
}

// formatHash and parseHash write hashes of the tree as digests are written.
func formatHash(h tlog.Hash) string { return "sha256:" + hex.EncodeToString(h[:]) }

func parseHash(s string) (tlog.Hash, error) {
	d := hotstick.Digest(s)
	if err := d.Validate(); err != nil {
		return tlog.Hash{}, err
	}
	var h tlog.Hash
	if _, err := hex.Decode(h[:], []byte(d.Hex())); err != nil {
		return tlog.Hash{}, fmt.Errorf("cannot read %q: %v", s, err)
	}
	return h, nil
}
