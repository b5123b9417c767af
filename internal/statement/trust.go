package statement

import (
	"fmt"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
)

// Limits of trust.
const (
	MaxPersons       = 1000
	MaxKeysPerPerson = 16
	MaxServerKeys    = 16
	MaxEvidenceNames = 100
	// MaxEpoch keeps epochs exact for every JSON reader.
	MaxEpoch = 1 << 53
	// maxPersonBytes bounds a person's name.
	maxPersonBytes = 100
)

// CheckTrust reports the first thing that makes trust unusable, such as a key of
// two persons, a server key that is also a person's, or fewer persons than a plan
// needs.
func CheckTrust(trust hotstick.Trust) error {
	switch {
	case len(trust.Persons) == 0 || len(trust.Persons) > MaxPersons:
		return fmt.Errorf("cannot use trust in %d persons: want 1 to %d", len(trust.Persons), MaxPersons)
	case trust.Approvals < 1:
		return fmt.Errorf("cannot use trust with %d approvals: want at least 1", trust.Approvals)
	case trust.AuthorMayApprove && trust.Approvals != 1:
		return fmt.Errorf("cannot let authors approve where %d approvals are needed: that needs exactly 1", trust.Approvals)
	case !trust.AuthorMayApprove && len(trust.Persons) < trust.Approvals+1:
		return fmt.Errorf("cannot use trust in %d persons: an author and %d approvers are %d", len(trust.Persons), trust.Approvals, trust.Approvals+1)
	case len(trust.ServerKeys) == 0 || len(trust.ServerKeys) > MaxServerKeys:
		return fmt.Errorf("cannot use trust in %d server keys: want 1 to %d", len(trust.ServerKeys), MaxServerKeys)
	case trust.Epoch < 1 || trust.Epoch > MaxEpoch:
		return fmt.Errorf("cannot use epoch %d: want 1 to %d", trust.Epoch, uint64(MaxEpoch))
	}
	return checkKeys(trust)
}

// checkKeys makes sure that every key speaks for one person, or for the server.
func checkKeys(trust hotstick.Trust) error {
	owners := map[string]string{}
	claim := func(key hotstick.TrustedKey, owner string) error {
		if err := key.Validate(); err != nil {
			return fmt.Errorf("cannot trust a key of %s: %w", owner, err)
		}
		if other, taken := owners[string(key)]; taken {
			return fmt.Errorf("cannot use one key for %s and for %s", other, owner)
		}
		owners[string(key)] = owner
		return nil
	}
	names := map[hotstick.Person]bool{}
	for _, p := range trust.Persons {
		if p.Person == "" || len(p.Person) > maxPersonBytes || names[p.Person] {
			return fmt.Errorf("cannot use %.40q as a person: names are unique and have 1 to %d bytes", p.Person, maxPersonBytes)
		}
		names[p.Person] = true
		if len(p.Keys) == 0 || len(p.Keys) > MaxKeysPerPerson {
			return fmt.Errorf("cannot use %d keys of %q: want 1 to %d", len(p.Keys), p.Person, MaxKeysPerPerson)
		}
		for _, k := range p.Keys {
			if err := claim(k, fmt.Sprintf("%q", p.Person)); err != nil {
				return err
			}
		}
	}
	if err := checkEvidenceKeys(trust.EvidenceKeys, claim); err != nil {
		return err
	}
	for _, k := range trust.ServerKeys {
		if a := k.Algorithm(); a == hotstick.KeyP256 {
			return fmt.Errorf("cannot use a key for %s as the server's: it signs with Ed25519", a)
		}
		if err := claim(k, "the server"); err != nil {
			return err
		}
	}
	return nil
}

// checkEvidenceKeys makes sure that each laboratory and builder has a name and keys of
// its own.
func checkEvidenceKeys(signers []hotstick.EvidenceSigner, claim func(hotstick.TrustedKey, string) error) error {
	if len(signers) > MaxEvidenceNames {
		return fmt.Errorf("cannot use evidence by %d laboratories and builders: the limit is %d", len(signers), MaxEvidenceNames)
	}
	names := map[string]bool{}
	for _, s := range signers {
		if s.Name == "" || len(s.Name) > maxPersonBytes || names[s.Name] {
			return fmt.Errorf("cannot use %.40q as a laboratory or builder: names are unique and have 1 to %d bytes", s.Name, maxPersonBytes)
		}
		names[s.Name] = true
		if len(s.Keys) == 0 || len(s.Keys) > MaxKeysPerPerson {
			return fmt.Errorf("cannot use %d keys of %q: want 1 to %d", len(s.Keys), s.Name, MaxKeysPerPerson)
		}
		for _, k := range s.Keys {
			if err := claim(k, fmt.Sprintf("the evidence of %q", s.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// personsOf returns the persons who have validly signed, sorted. However many
// keys of a person signed, the person stands there once.
func personsOf(e *envelope, trust hotstick.Trust) []hotstick.Person {
	var keys []hotstick.TrustedKey
	for _, p := range trust.Persons {
		keys = append(keys, p.Keys...)
	}
	valid := e.signedBy(keys)
	var persons []hotstick.Person
	for _, p := range trust.Persons {
		if planted.Bug("server-counts-as-everybody") && len(e.signedBy(trust.ServerKeys)) > 0 ||
			slices.ContainsFunc(p.Keys, func(k hotstick.TrustedKey) bool { return valid[KeyID(k)] }) {
			persons = append(persons, p.Person)
		}
	}
	slices.Sort(persons)
	return persons
}

// PersonOf returns the person whose key this is.
func PersonOf(trust hotstick.Trust, key hotstick.TrustedKey) (hotstick.Person, bool) {
	for _, p := range trust.Persons {
		for _, k := range p.Keys {
			if k.Equal(key) {
				return p.Person, true
			}
		}
	}
	return "", false
}
