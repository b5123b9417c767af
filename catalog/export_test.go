package catalog

import (
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/hotstick/hotstick"
)

// CutPower makes the client's disk ask cut before each file gets its name.
func (c *Client) CutPower(cut func(name string) error) { c.disk.cut = cut }

// CutPower makes the repository's disk ask cut before each file gets its name.
func (r *Repository) CutPower(cut func(name string) error) { r.disk.cut = cut }

// ReadLinks reads data as timestamp and as snapshot metadata, for fuzzing.
func ReadLinks(data []byte) (bool, bool) {
	_, err := readTimestamp(data)
	_, err2 := readSnapshot(data)
	return err == nil, err2 == nil
}

// ReadGeneric reads data as each role of a generic repository, for fuzzing, and
// gives what is not refused to go-tuf.
func ReadGeneric(data []byte) {
	if _, err := trustRoot(generic, data, time.Time{}); err == nil {
		return
	}
	if _, err := generic.timestamp(data); err == nil {
		_, _ = metadata.Timestamp().FromBytes(data)
	}
	if _, err := generic.snapshot(data); err == nil {
		_, _ = metadata.Snapshot().FromBytes(data)
	}
	if _, err := generic.targets(nil, "x", data); err == nil {
		if t, err := metadata.Targets().FromBytes(data); err == nil {
			delegatesFor(t.Signed.Delegations, "some/path")
			_ = t.VerifyDelegate("x", t)
		}
	}
}

// ReadDelegations reads data as targets metadata, for fuzzing.
func ReadDelegations(data []byte) ([]Delegation, []hotstick.Recall, error) {
	targets, err := readTargets(data)
	if err != nil {
		return nil, nil, err
	}
	list, err := targets.list()
	return list, targets.Hotstick.Recalls, err
}

// Canonical is canonical.
func Canonical(data []byte) []byte { return canonical(data) }
