package catalog

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// Limits of what a patch says beside its artifacts.
const (
	maxPatches      = 10_000
	maxArtifacts    = 10_000
	maxSummaryBytes = 1000
	maxCVEs         = 1000
	maxFunctions    = 2000
	maxFunctionName = 300
)

// checkPatches checks each patch and that nothing in the catalog is ambiguous.
func checkPatches(patches []hotstick.Patch) error {
	if len(patches) > maxPatches {
		return fmt.Errorf("%d patches: the limit is %d", len(patches), maxPatches)
	}
	type loaded struct {
		build  hotstick.KernelBuild
		module string
	}
	refs := map[hotstick.PatchRef]bool{}
	signatures := map[hotstick.Digest]int64{}
	digests := map[hotstick.Digest]hotstick.PatchRef{}
	modules := map[loaded]hotstick.PatchRef{}
	for _, p := range patches {
		if err := checkPatch(p); err != nil {
			return err
		}
		if refs[p.Ref] {
			return fmt.Errorf("%s stands there twice", p.Ref)
		}
		refs[p.Ref] = true
		for _, a := range p.Artifacts {
			if other, taken := digests[a.Digest]; taken {
				return fmt.Errorf("%s and %s have the same artifact %s", other, p.Ref, a.Digest.Short())
			}
			digests[a.Digest] = p.Ref
			if other, taken := modules[loaded{a.Build, a.Module}]; taken {
				return fmt.Errorf("%s and %s are both loaded as %s on %s: each level needs its own module name", other, p.Ref, a.Module, a.Build)
			}
			modules[loaded{a.Build, a.Module}] = p.Ref
			if s := a.VendorSignature; s.Digest != "" {
				// One file may sign several artifacts.
				if size, had := signatures[s.Digest]; had && size != s.SizeBytes {
					return fmt.Errorf("%s: a vendor's signature has two lengths", p.Ref)
				}
				signatures[s.Digest] = s.SizeBytes
			}
		}
	}
	for digest := range signatures {
		if _, taken := digests[digest]; taken {
			return errors.New("a vendor's signature is an artifact too")
		}
	}
	return nil
}

func checkPatch(p hotstick.Patch) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if len(p.Summary) > maxSummaryBytes || len(p.CVEs) > maxCVEs || len(p.Functions) > maxFunctions || len(p.Artifacts) > maxArtifacts {
		return fmt.Errorf("%s: its summary, CVEs, functions or artifacts are beyond their limits", p.Ref)
	}
	for _, f := range p.Functions {
		object, name, ok := strings.Cut(f, ":")
		if !ok || object == "" || name == "" || len(f) > maxFunctionName || strings.ContainsFunc(f, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("%s: cannot use %.80q as a function: want OBJECT:FUNCTION", p.Ref, f)
		}
	}
	return nil
}

// check reports the first thing that makes a root unusable.
func (s RootSpec) check() error {
	roles := []struct {
		name      string
		keys      []hotstick.TrustedKey
		threshold int
	}{{"root", s.RootKeys, s.RootThreshold}, {"publisher", s.PublisherKeys, s.PublisherThreshold}, {"online", s.OnlineKeys, 1}}
	offline := map[string]string{}
	for _, r := range roles {
		seen := map[string]bool{}
		for _, k := range r.keys {
			if err := k.Validate(); err != nil {
				return fmt.Errorf("cannot trust a %s key: %w", r.name, err)
			}
			if a := k.Algorithm(); r.name == "online" && a != hotstick.KeyEd25519 {
				return fmt.Errorf("cannot use a key for %s as online key: the server signs with Ed25519", a)
			}
			if seen[string(k)] {
				return fmt.Errorf("cannot use one %s key twice", r.name)
			}
			seen[string(k)] = true
			if owner, taken := offline[string(k)]; taken && r.name == "online" {
				return fmt.Errorf("cannot use one key as %s and as online key: whoever steals the server would have both", owner)
			}
			offline[string(k)] = r.name
		}
		if r.threshold < 1 || r.threshold > len(r.keys) || len(r.keys) > maxSignatures {
			return fmt.Errorf("cannot use %d %s keys with threshold %d", len(r.keys), r.name, r.threshold)
		}
	}
	if err := statement.CheckTrust(s.Trust); err != nil {
		return err
	}
	return s.checkSeparation(offline)
}

// checkSeparation keeps the server's keys apart from everybody else's.
func (s RootSpec) checkSeparation(owners map[string]string) error {
	for _, k := range s.OnlineKeys {
		if person, ok := statement.PersonOf(s.Trust, k); ok {
			return fmt.Errorf("cannot use the key of %q as online key", person)
		}
	}
	for _, signer := range s.Trust.EvidenceKeys {
		for _, k := range signer.Keys {
			if owner, taken := owners[string(k)]; taken {
				return fmt.Errorf("cannot use one key as %s and for the evidence of %q", owner, signer.Name)
			}
		}
	}
	for _, k := range s.Trust.ServerKeys {
		if owner := owners[string(k)]; owner != "" && owner != "online" {
			return fmt.Errorf("cannot use a %s key as the server's", owner)
		}
	}
	return checkExpires(s.Expires)
}

// checkExpires makes sure that what a person reads is what is signed.
func checkExpires(t time.Time) error {
	_, offset := t.Zone()
	if t.IsZero() || offset != 0 || t.Nanosecond() != 0 || t.Year() > 9999 {
		return fmt.Errorf("cannot use %s as the end of metadata: want UTC and whole seconds", t.Format(time.RFC3339Nano))
	}
	return nil
}
