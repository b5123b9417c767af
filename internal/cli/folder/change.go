package folder

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/statement"
)

// shortestID is how many digits of a key ID name a key.
const shortestID = 8

// RootChange is what the next root says otherwise. What is zero stays as it is.
type RootChange struct {
	// AddPersons brings persons with a first key; AddKeys gives them further ones.
	AddPersons, AddKeys []PersonKey
	RemovePersons       []hotstick.Person
	// RemoveKeys takes keys from whichever person has them, by key ID.
	RemoveKeys []string
	// Online changes the server's keys, both for the catalog and for statements.
	Owners, Publishers, Online KeyChange
	// AddEvidence gives laboratories and builders keys; those that are new come with
	// their first. RemoveEvidence takes them out by name.
	AddEvidence      []PersonKey
	RemoveEvidence   []string
	Approvals        int
	AuthorMayApprove *bool
	Epoch            uint64
	// Expires is always given.
	Expires time.Time
}

// PersonKey is a key and whose it is.
type PersonKey struct {
	Person hotstick.Person
	Key    hotstick.TrustedKey
}

// KeyChange changes the keys of a role. Keys are removed by key ID, or by its first
// eight digits or more.
type KeyChange struct {
	Add       []hotstick.TrustedKey
	Remove    []string
	Threshold int
}

// Apply returns what the next root says. The catalog checks the whole of it when it
// is made; this finds what names nothing.
func (c RootChange) Apply(spec catalog.RootSpec) (catalog.RootSpec, error) {
	spec.Expires = c.Expires
	var err error
	if spec.RootKeys, err = c.Owners.apply("owners", spec.RootKeys); err != nil {
		return spec, err
	}
	if spec.PublisherKeys, err = c.Publishers.apply("publishers", spec.PublisherKeys); err != nil {
		return spec, err
	}
	spec.RootThreshold = orElse(c.Owners.Threshold, spec.RootThreshold)
	spec.PublisherThreshold = orElse(c.Publishers.Threshold, spec.PublisherThreshold)
	if err := c.online(&spec); err != nil {
		return spec, err
	}
	if spec.Trust.EvidenceKeys, err = c.evidence(spec.Trust.EvidenceKeys); err != nil {
		return spec, err
	}
	spec.Trust.Persons, err = c.persons(spec.Trust.Persons)
	spec.Trust.Approvals = orElse(c.Approvals, spec.Trust.Approvals)
	spec.Trust.Epoch = orElse(c.Epoch, spec.Trust.Epoch)
	if c.AuthorMayApprove != nil {
		spec.Trust.AuthorMayApprove = *c.AuthorMayApprove
	}
	return spec, err
}

func orElse[T int | uint64](next, last T) T {
	if next == 0 {
		return last
	}
	return next
}

func (c KeyChange) apply(who string, keys []hotstick.TrustedKey) ([]hotstick.TrustedKey, error) {
	keys = slices.Clone(keys)
	for _, id := range c.Remove {
		at, err := findKey(id, keys)
		if err != nil {
			return nil, fmt.Errorf("cannot remove a key of the %s: %w", who, err)
		}
		keys = slices.Delete(keys, at, at+1)
	}
	return append(keys, c.Add...), nil
}

// findKey finds the one key of this ID.
func findKey(id string, keys []hotstick.TrustedKey) (int, error) {
	if len(id) < shortestID {
		return 0, fmt.Errorf("%q is no key ID: give its first %d digits or more", id, shortestID)
	}
	at := -1
	for i, k := range keys {
		if !strings.HasPrefix(statement.KeyID(k), id) {
			continue
		}
		if at >= 0 {
			return 0, fmt.Errorf("two of them begin with %s", id)
		}
		at = i
	}
	if at < 0 {
		return 0, fmt.Errorf("none of them is %.64s", id)
	}
	return at, nil
}

// online changes the server's keys in both places: a server signs the catalog and
// its statements with one key. A removal must hit the catalog's list or the other.
func (c RootChange) online(spec *catalog.RootSpec) error {
	signing := slices.Clone(spec.Trust.ServerKeys)
	spec.OnlineKeys = slices.Clone(spec.OnlineKeys)
	for _, id := range c.Online.Remove {
		atCatalog, missing := findKey(id, spec.OnlineKeys)
		if missing == nil {
			spec.OnlineKeys = slices.Delete(spec.OnlineKeys, atCatalog, atCatalog+1)
		}
		atSigning, err := findKey(id, signing)
		if err == nil {
			signing = slices.Delete(signing, atSigning, atSigning+1)
		}
		if err != nil && missing != nil {
			return fmt.Errorf("cannot remove a key of the server: %w", missing)
		}
	}
	spec.OnlineKeys = append(spec.OnlineKeys, c.Online.Add...)
	spec.Trust.ServerKeys = append(signing, c.Online.Add...)
	return nil
}

func (c RootChange) persons(old []hotstick.TrustedPerson) ([]hotstick.TrustedPerson, error) {
	var persons []hotstick.TrustedPerson
	for _, p := range old {
		if !slices.Contains(c.RemovePersons, p.Person) {
			persons = append(persons, hotstick.TrustedPerson{Person: p.Person, Keys: slices.Clone(p.Keys)})
		}
	}
	if len(persons)+len(c.RemovePersons) != len(old) {
		return nil, errors.New("cannot remove a person whom the root does not name, or twice")
	}
	for _, id := range c.RemoveKeys {
		if err := removeKey(persons, id); err != nil {
			return nil, err
		}
	}
	named := func(person hotstick.Person) int {
		return slices.IndexFunc(persons, func(p hotstick.TrustedPerson) bool { return p.Person == person })
	}
	for _, add := range c.AddPersons {
		if named(add.Person) >= 0 {
			return nil, fmt.Errorf("cannot add the person %q: the root names them already; another key is --add-key", add.Person)
		}
		persons = append(persons, hotstick.TrustedPerson{Person: add.Person, Keys: []hotstick.TrustedKey{add.Key}})
	}
	for _, add := range c.AddKeys {
		at := named(add.Person)
		if at < 0 {
			return nil, fmt.Errorf("cannot add a key of %q: the root names no such person", add.Person)
		}
		persons[at].Keys = append(persons[at].Keys, add.Key)
	}
	return persons, nil
}

func (c RootChange) evidence(old []hotstick.EvidenceSigner) ([]hotstick.EvidenceSigner, error) {
	var signers []hotstick.EvidenceSigner
	for _, s := range old {
		if !slices.Contains(c.RemoveEvidence, s.Name) {
			signers = append(signers, hotstick.EvidenceSigner{Name: s.Name, Keys: slices.Clone(s.Keys)})
		}
	}
	if len(signers)+len(c.RemoveEvidence) != len(old) {
		return nil, errors.New("cannot remove a laboratory or builder that the root does not name, or twice")
	}
	for _, add := range c.AddEvidence {
		at := slices.IndexFunc(signers, func(s hotstick.EvidenceSigner) bool { return s.Name == string(add.Person) })
		if at < 0 {
			at, signers = len(signers), append(signers, hotstick.EvidenceSigner{Name: string(add.Person)})
		}
		signers[at].Keys = append(signers[at].Keys, add.Key)
	}
	return signers, nil
}

func removeKey(persons []hotstick.TrustedPerson, id string) error {
	var keys []hotstick.TrustedKey
	for _, p := range persons {
		keys = append(keys, p.Keys...)
	}
	at, err := findKey(id, keys)
	if err != nil {
		return fmt.Errorf("cannot remove a person's key: %w", err)
	}
	for i, p := range persons {
		persons[i].Keys = slices.DeleteFunc(p.Keys, keys[at].Equal)
	}
	return nil
}
