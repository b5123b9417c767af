package catalog

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// recallsFile holds every recall that a client has seen.
const recallsFile = "recalls.json"

const (
	maxRecalls      = 10_000
	maxRecallsBytes = 16 << 20
)

type recallsDocument struct {
	Recalls []hotstick.Recall `json:"recalls"`
}

// compareRecalls orders recalls by patch, level and time, then by action and reason.
func compareRecalls(a, b hotstick.Recall) int {
	return cmp.Or(cmp.Compare(a.Patch.Name, b.Patch.Name), cmp.Compare(a.Patch.Level, b.Patch.Level), a.Issued.Compare(b.Issued),
		cmp.Compare(a.Action, b.Action), cmp.Compare(a.Reason, b.Reason))
}

// mergeRecalls returns the recalls of all lists, sorted, each once.
func mergeRecalls(lists ...[]hotstick.Recall) []hotstick.Recall {
	all := slices.Concat(lists...)
	slices.SortFunc(all, compareRecalls)
	return slices.CompactFunc(all, func(a, b hotstick.Recall) bool { return compareRecalls(a, b) == 0 })
}

// without returns those of the recalls that are not in known, which is sorted.
func without(recalls, known []hotstick.Recall) []hotstick.Recall {
	return slices.DeleteFunc(slices.Clone(recalls), func(r hotstick.Recall) bool {
		_, found := slices.BinarySearchFunc(known, r, compareRecalls)
		return found
	})
}

func checkRecalls(recalls []hotstick.Recall) error {
	if len(recalls) > maxRecalls {
		return fmt.Errorf("%d recalls: the limit is %d", len(recalls), maxRecalls)
	}
	for i, r := range recalls {
		if err := r.Validate(); err != nil {
			return err
		}
		if i > 0 && compareRecalls(recalls[i-1], r) >= 0 {
			return fmt.Errorf("the recall of %s stands there twice, or not in its place", r.Patch)
		}
	}
	return nil
}

// recalls returns what the publishers and the delegates recall.
func (t *trusted) recalls() []hotstick.Recall {
	all := mergeRecalls(t.targets.Hotstick.Recalls)
	for _, own := range t.delegated {
		all = mergeRecalls(all, own.Hotstick.Recalls)
	}
	return all
}

// seenRecalls reads the recalls that this client has seen.
func (c *Client) seenRecalls() ([]hotstick.Recall, error) {
	data, err := c.disk.read(recallsFile, maxRecallsBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		data, err = durable.Unseal(data)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", c.disk.path(recallsFile), err)
	}
	var doc recallsDocument
	if err := strictjson.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", c.disk.path(recallsFile), err)
	}
	return mergeRecalls(doc.Recalls), nil
}

// learn adds recalls to those that this client has seen, durably, and returns all.
// Nothing takes one out again: not an older catalog, not a change of keys, and not
// a delegation's end.
func (c *Client) learn(recalls []hotstick.Recall) ([]hotstick.Recall, error) {
	seen, err := c.seenRecalls()
	if err != nil {
		return nil, err
	}
	if len(without(recalls, seen)) == 0 {
		return seen, nil
	}
	all := mergeRecalls(seen, recalls)
	data, err := json.Marshal(recallsDocument{all})
	if err != nil {
		return nil, fmt.Errorf("cannot keep a recall: %w", err)
	}
	return all, c.disk.write(recallsFile, durable.Seal(data))
}

// TakeRecalls takes the recalls out of a file that somebody has brought: targets
// metadata of the publishers, or of a delegate whom the trusted catalog names. It
// may be of any age, since a recall holds until a clear lifts it, and nothing but
// recalls is taken from it. It returns what was new.
func (c *Client) TakeRecalls(file []byte) ([]hotstick.Recall, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, root, err := c.roots(time.Time{})
	if err != nil {
		return nil, err
	}
	recalls, err := recallsIn(root, c.kept(), file)
	if err != nil {
		return nil, fmt.Errorf("cannot take recalls from this file: %w", err)
	}
	seen, err := c.seenRecalls()
	if err != nil {
		return nil, err
	}
	return without(recalls, seen), c.learnNew(recalls)
}

// learnNew learns recalls that the trusted set does not tell. The caller holds mu.
func (c *Client) learnNew(recalls []hotstick.Recall) error {
	_, err := c.learn(recalls)
	c.view = nil // read it again, with these recalls
	return err
}

// recallsIn returns the recalls of targets metadata that the publishers have signed,
// or a delegate whom the kept set names.
func recallsIn(root []byte, kept files, file []byte) ([]hotstick.Recall, error) {
	targets, err := verifyTargets(root, file)
	if err != nil && kept.targets != nil {
		if own, ownErr := delegatedOf(root, kept.targets, file); ownErr == nil {
			targets, err = own, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return targets.Hotstick.Recalls, nil
}

// toldBy returns the recalls that a kept set itself has.
func (t *trusted) toldBy(root []byte, kept files) []hotstick.Recall {
	var err error
	if kept.targets == nil {
		return nil
	}
	if t.targets, err = verifyTargets(root, kept.targets); err != nil || t.loadDelegated(kept) != nil {
		return nil
	}
	return t.recalls()
}

// delegatedOf reads metadata of whichever delegate has signed it.
func delegatedOf(root, targets, file []byte) (*targetsSigned, error) {
	publishers, err := verifyTargets(root, targets)
	if err != nil {
		return nil, err
	}
	list, err := publishers.list()
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		if own, err := verifyDelegated(targets, publishers, d.Name, file); err == nil {
			return own, nil
		}
	}
	return nil, refused("no delegate has signed it")
}

// verifyDelegated reads metadata that the delegate has signed, within its scope. It
// may have expired.
func verifyDelegated(targets []byte, publishers *targetsSigned, role string, data []byte) (*targetsSigned, error) {
	own, err := readDelegated(publishers, role, data)
	if err != nil {
		return nil, err
	}
	delegator, err := metadata.Targets().FromBytes(targets)
	if err != nil {
		return nil, refused("targets metadata: %v", err)
	}
	delegated, err := metadata.Targets().FromBytes(data)
	if err != nil {
		return nil, refused("the metadata of %s: %v", role, err)
	}
	return own, translate(role, delegator.VerifyDelegate(role, delegated))
}
