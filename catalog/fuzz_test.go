package catalog_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hotstick/hotstick/catalog"
)

// FuzzGenericMetadata reads anything as each role of a generic repository; go-tuf
// must never be given what it stumbles over.
func FuzzGenericMetadata(f *testing.F) {
	addMetadata(f)
	for _, text := range notMetadata {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"signed":{"_type":"targets","spec_version":"1.0.0","version":1,"expires":"2030-01-01T00:00:00Z","targets":{},"delegations":{"keys":{},"succinct_roles":{"keyids":["x"],"threshold":1,"bit_length":32,"name_prefix":"bin"}}},"signatures":[]}`))
	f.Fuzz(func(_ *testing.T, data []byte) { catalog.ReadGeneric(data) })
}

// FuzzDelegation reads anything as targets metadata with delegations and recalls.
func FuzzDelegation(f *testing.F) {
	for _, text := range notMetadata {
		f.Add([]byte(text))
	}
	data, err := os.ReadFile(filepath.Join("testdata", "catalog", "2.targets.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"signed":{"_type":"targets","spec_version":"1.0.31","version":1,"expires":"2030-01-01T00:00:00Z","targets":{},"delegations":{"keys":{},"roles":[{"name":"acme","keyids":["x"],"threshold":1,"terminating":false,"paths":["sha256-*.ko"]}]},"x-hotstick":{"schema":"hotstick/patches/v1","patches":[],"delegations":[{"name":"acme","scope":{"patches":["acme-*"],"vendors":["acme"],"drivers":["klp"],"builds":[{"release":"6.1*","arch":"x86_64"}]}}],"recalls":[{"patch":{"name":"x","level":1},"action":"block","reason":"r","issued":"2026-01-01T00:00:00Z"}]}},"signatures":[]}`))
	f.Add([]byte(`{"signed":{"_type":"targets","spec_version":"1.0.31","version":1,"expires":"2030-01-01T00:00:00Z","targets":{},"delegations":{"keys":{"cf4736fae1a3a019d3506e4345cfb6549c7aa731eb5c19f61b60f0175882edcf":{"keytype":"ecdsa","scheme":"ecdsa-sha2-nistp256","keyval":{"public":"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n"}}},"roles":[{"name":"acme","keyids":["cf4736fae1a3a019d3506e4345cfb6549c7aa731eb5c19f61b60f0175882edcf"],"threshold":1,"terminating":false,"paths":["sha256-*.ko"]}]},"x-hotstick":{"schema":"hotstick/patches/v1","patches":[],"delegations":[{"name":"acme","scope":{"patches":["acme-*"],"vendors":["acme"],"drivers":["klp"],"builds":[{"release":"6.1*","arch":"x86_64"}]}}]}},"signatures":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, recalls, err := catalog.ReadDelegations(data)
		if err != nil {
			return
		}
		for _, d := range list {
			for _, k := range d.Keys {
				if err := k.Validate(); err != nil {
					t.Error(err)
				}
			}
			if len(d.Keys) < d.Threshold || d.Threshold < 1 || len(d.Scope.Builds) == 0 {
				t.Errorf("%+v was read", d)
			}
		}
		for _, r := range recalls {
			if r.Validate() != nil {
				t.Errorf("%+v was read", r)
			}
		}
	})
}
