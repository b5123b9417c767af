package catalog_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/catalog"
)

// These are the cases of the TUF conformance suite, each under its name there, for
// where no Python is at hand. There is no list of exceptions. make tuf-conformance
// runs the suite itself against bin/hotstick-tuf-client.

const day = 24 * time.Hour

var allTop = []string{tufRoot, tufTargets, tufSnapshot, tufTimestamp}

type conformanceCase struct {
	name string
	run  func(s *simulator)
}

func runConformance(t *testing.T, cases []conformanceCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(newSimulator(t)) })
	}
}

func TestConformanceBasic(t *testing.T) {
	runConformance(t, []conformanceCase{
		{"test_basic_refresh_requests", func(s *simulator) {
			s.client().mustRefresh()
			s.client().mustAsk("root 2", "timestamp", "snapshot 1", "targets 1")
		}},
		{"test_basic_refresh_trusted_data", func(s *simulator) {
			c := s.client()
			c.mustRefresh()
			for _, role := range allTop {
				c.mustKeep(role, s.newest(role))
			}
		}},
		{"test_implicit_refresh", func(s *simulator) {
			c := s.client()
			c.mustNotDownload("nonexistent artifact")
			c.mustAsk("root 2", "timestamp", "snapshot 1", "targets 1")
			c.mustTrust(1, 1, 1, 1)
		}},
		{"test_invalid_initial_root", func(s *simulator) {
			s.tamper(tufRoot, func(doc obj) { delete(doc["signed"].(obj), "version") })
			s.mustRefuseToBegin()
		}},
		{"test_unsigned_initial_root", func(s *simulator) {
			s.tamper(tufRoot, func(doc obj) { doc["signatures"].([]any)[0].(obj)["sig"] = strings.Repeat("30", 70) })
			s.mustRefuseToBegin()
		}},
		{"test_unsigned_metadata", func(s *simulator) {
			for role, want := range map[string][4]int{tufRoot: {1, 0, 0, 0}, tufTimestamp: {2, 0, 0, 0}, tufSnapshot: {2, 2, 0, 0}, tufTargets: {2, 2, 2, 0}} {
				s.Run(role, func(t *testing.T) {
					s := newSimulator(t)
					s.signers[role] = nil
					s.publish(allTop...)
					c := s.client()
					c.mustNotRefresh()
					c.mustTrust(want[0], want[1], want[2], want[3])
				})
			}
		}},
		{"test_url_and_metadata_version_mismatch", func(s *simulator) {
			for role, want := range map[string][4]int{tufRoot: {1, 0, 0, 0}, tufSnapshot: {2, 2, 0, 0}, tufTargets: {2, 2, 2, 0}} {
				s.Run(role, func(t *testing.T) {
					s := newSimulator(t)
					s.signed[role]["version"] = 2 // published as 2, and says 3
					s.publish(allTop...)
					if next := map[string]string{tufSnapshot: tufTimestamp, tufTargets: tufSnapshot}[role]; next != "" {
						s.signed[next]["meta"].(obj)[role+".json"].(obj)["version"] = 2
						s.republish(next)
					}
					c := s.client()
					c.mustNotRefresh()
					c.mustTrust(want[0], want[1], want[2], want[3])
				})
			}
		}},
		{"test_timestamp_content_changes", func(s *simulator) {
			c := s.client()
			c.mustRefresh()
			kept := s.newest(tufTimestamp)
			s.signed[tufTimestamp]["meta"].(obj)["snapshot.json"].(obj)["version"] = 100
			s.republish(tufTimestamp)
			c.asked = nil
			c.mustRefresh()
			c.mustAsk("root 2", "timestamp")
			c.mustKeep(tufTimestamp, kept)
		}},
		{"test_basic_metadata_hash_support", func(s *simulator) {
			s.hashes = true
			s.publish(tufTargets, tufSnapshot, tufTimestamp)
			s.client().mustRefresh()
		}},
		{"test_targets_hash_mismatch", func(s *simulator) {
			s.hashes = true
			s.publish(tufTargets, tufSnapshot, tufTimestamp)
			c := s.client()
			c.mustRefresh()
			s.publish(tufTargets)
			s.signed[tufSnapshot]["meta"].(obj)["targets.json"].(obj)["hashes"] = obj{"sha256": strings.Repeat("0", 64)}
			s.publish(tufSnapshot, tufTimestamp)
			c.mustNotRefresh()
			c.mustTrust(1, 3, 3, 2)
		}},
		{"test_snapshot_hash_mismatch", func(s *simulator) {
			s.hashes = true
			s.publish(tufSnapshot, tufTimestamp)
			c := s.client()
			c.mustRefresh()
			s.publish(tufSnapshot)
			s.signed[tufTimestamp]["meta"].(obj)["snapshot.json"].(obj)["hashes"] = obj{"sha256": strings.Repeat("0", 64)}
			s.publish(tufTimestamp)
			c.mustNotRefresh()
			c.mustTrust(1, 3, 2, 1)
		}},
		{"test_metadata_bytes_match", func(s *simulator) {
			s.published[tufTimestamp][0] = append(s.published[tufTimestamp][0], " \n "...)
			c := s.client()
			c.mustRefresh()
			c.mustKeep(tufTimestamp, s.newest(tufTimestamp))
		}},
		{"test_custom_fields", func(s *simulator) {
			c := s.client()
			c.mustRefresh()
			s.signed[tufRoot]["custom-field"] = "value"
			s.addKey(tufRoot, tufRoot, makeKey(madeKeys()[keyECDSA][20], keyECDSA, obj{"extra-field": obj{"a": 1, "b": 2}}))
			s.role(tufRoot, tufRoot)["another-field"] = "value"
			s.publish(tufRoot)
			c.mustRefresh()
			c.mustTrust(2, 1, 1, 1)
		}},
		{"test_deprecated_keyid_hash_algorithms", func(s *simulator) {
			c := s.client()
			s.role(tufSnapshot, tufRoot)["keyids"], s.signers[tufSnapshot] = []any{}, nil
			s.addKey(tufSnapshot, tufRoot, makeKey(madeKeys()[keyECDSA][20], keyECDSA, obj{"keyid_hash_algorithms": "md5"}))
			s.publish(tufRoot, tufSnapshot, tufTimestamp)
			c.mustRefresh()
			c.mustTrust(2, 2, 2, 1)
		}},
		{"test_snapshot_404", func(s *simulator) {
			c := s.client()
			c.mustRefresh()
			s.signed[tufTimestamp]["meta"].(obj)["snapshot.json"] = obj{"version": 2}
			s.publish(tufTimestamp)
			c.asked = nil
			c.mustNotRefresh()
			c.mustAsk("root 2", "timestamp", "snapshot 2")
			c.mustTrust(1, 2, 1, 1)
		}},
		{"test_targets_404", func(s *simulator) {
			c := s.client()
			c.mustRefresh()
			s.signed[tufSnapshot]["meta"].(obj)["targets.json"] = obj{"version": 2}
			s.publish(tufSnapshot, tufTimestamp)
			c.asked = nil
			c.mustNotRefresh()
			c.mustAsk("root 2", "timestamp", "snapshot 2", "targets 2")
			c.mustTrust(1, 2, 2, 1)
		}},
		{"test_timestamp_404", func(s *simulator) {
			c := s.client()
			c.mustRefresh()
			s.published[tufTimestamp], c.asked = nil, nil
			c.mustNotRefresh()
			c.mustAsk("root 2", "timestamp")
		}},
		{"test_incorrect_metadata_type", func(s *simulator) {
			c := s.client()
			s.addKey(tufSnapshot, tufRoot, s.signers[tufTimestamp][0])
			s.signed[tufSnapshot]["meta"] = obj{"snapshot.json": obj{"version": 1}}
			s.publish(tufRoot, tufSnapshot)
			s.published[tufTimestamp] = append(s.published[tufTimestamp], s.newest(tufSnapshot))
			c.mustNotRefresh()
			c.mustTrust(2, 0, 0, 0)
		}},
		{"test_faketime", func(s *simulator) {
			c := s.client()
			s.signed[tufRoot]["expires"] = s.in(7 * day)
			s.publish(tufRoot)
			c.mustRefresh()
			s.now = s.now.Add(8 * day)
			c.mustNotRefresh()
		}},
	})
}

// mustKeep checks the bytes that the client keeps of a role.
func (c *subject) mustKeep(role string, want []byte) {
	c.Helper()
	if got, err := os.ReadFile(filepath.Join(c.metadata, role+".json")); err != nil || string(got) != string(want) {
		c.Errorf("the trusted %s is %.200q, %v", role, got, err)
	}
}

// mustRefuseToBegin checks that the first root is no beginning, whether it was
// offered or put there.
func (s *simulator) mustRefuseToBegin() {
	s.Helper()
	c := s.newClient()
	if err := catalog.InitGeneric(c.metadata, s.newest(tufRoot)); err == nil {
		s.Error("such a root was taken")
	}
	if err := os.WriteFile(filepath.Join(c.metadata, "root.json"), s.newest(tufRoot), 0o600); err != nil {
		s.Fatal(err)
	}
	c.mustNotRefresh()
	c.mustAsk()
}

// republish signs a role again under the version that it has.
func (s *simulator) republish(role string) {
	s.Helper()
	s.published[role][len(s.published[role])-1] = s.sign(role)
}

func TestConformanceExpiration(t *testing.T) {
	expire := func(role string, publish ...string) func(s *simulator) *subject {
		return func(s *simulator) *subject {
			c := s.client()
			c.mustRefresh()
			s.signed[role]["expires"] = s.in(-5 * day)
			s.publish(publish...)
			c.mustNotRefresh()
			return c
		}
	}
	runConformance(t, []conformanceCase{
		{"test_root_expired", func(s *simulator) {
			expire(tufRoot, allTop...)(s).mustTrust(2, 1, 1, 1)
		}},
		{"test_timestamp_expired", func(s *simulator) { expire(tufTimestamp, tufTimestamp)(s).mustTrust(1, 1, 1, 1) }},
		{"test_snapshot_expired", func(s *simulator) {
			expire(tufSnapshot, tufSnapshot, tufTimestamp)(s).mustTrust(1, 2, 1, 1)
		}},
		{"test_targets_expired", func(s *simulator) {
			expire(tufTargets, tufTargets, tufSnapshot, tufTimestamp)(s).mustTrust(1, 2, 2, 1)
		}},
		{"test_expired_local_root", func(s *simulator) {
			c := s.client()
			s.signed[tufRoot]["expires"] = s.in(7 * day)
			s.publish(tufRoot)
			c.mustRefresh()
			s.signed[tufRoot]["expires"] = s.in(21 * day)
			s.publish(tufRoot)
			s.now = s.now.Add(18 * day)
			c.mustRefresh()
			c.mustTrust(3, 1, 1, 1)
		}},
		{"test_expired_local_timestamp", func(s *simulator) {
			c := s.client()
			s.signed[tufTimestamp]["expires"] = s.in(7 * day)
			s.publish(tufTimestamp)
			c.mustRefresh()
			s.signed[tufTimestamp]["expires"] = s.in(21 * day)
			s.publish(tufTargets, tufSnapshot, tufTimestamp)
			s.now = s.now.Add(18 * day)
			c.mustRefresh()
			c.mustTrust(1, 3, 2, 2)
		}},
	})
}

func TestConformanceFileDownload(t *testing.T) {
	release := []string{tufTargets, tufSnapshot, tufTimestamp}
	cases := []conformanceCase{
		{"test_client_downloads_expected_file", func(s *simulator) {
			c := s.client()
			s.addArtifact(tufTargets, "target_file.txt", []byte("contents"))
			s.publish(release...)
			c.mustRefresh()
			c.mustHave()
			c.mustDownload("target_file.txt")
			c.mustHave("contents")
		}},
		{"test_client_downloads_expected_file_in_sub_dir", func(s *simulator) {
			c := s.client()
			s.addArtifact(tufTargets, "path/to/a/target_file.txt", []byte("contents"))
			s.publish(release...)
			c.mustDownload("path/to/a/target_file.txt")
			c.mustHave("contents")
		}},
		{"test_repository_substitutes_target_file", func(s *simulator) {
			c := s.client()
			s.addArtifact(tufTargets, "one", []byte("first"))
			s.addArtifact(tufTargets, "two", []byte("second"))
			s.publish(release...)
			c.mustDownload("one")
			s.artifacts["one"], s.artifacts["two"] = []byte("evil!"), []byte("evil!!")
			c.mustDownload("one") // from what it has
			c.mustHave("first")
			c.mustNotDownload("two")
			c.mustHave("first")
		}},
		{"test_multiple_changes_to_target", func(s *simulator) {
			c := s.client()
			want := []string{}
			for i := range 11 {
				s.addArtifact(tufTargets, "file", fmt.Appendf(nil, "file %d", i))
				s.addArtifact(tufTargets, fmt.Sprintf("new-%d", i), fmt.Appendf(nil, "new %d", i))
				s.publish(release...)
				if i%5 != 0 {
					continue
				}
				c.mustDownload("file", fmt.Sprintf("new-%d", i))
				want = append(slices.DeleteFunc(want, func(f string) bool { return strings.HasPrefix(f, "file") }), fmt.Sprintf("file %d", i), fmt.Sprintf("new %d", i))
				c.mustHave(slices.Clone(want)...)
				s.artifacts["file"] = []byte("evil")
				s.publish(release...)
				_ = c.download("file")
				c.mustHave(slices.Clone(want)...)
			}
		}},
		{"test_download_with_unknown_hash_algorithm", func(s *simulator) {
			s.addArtifact(tufTargets, "file", []byte("contents"), "unknown-hash")
			s.publish(release...)
			c := s.client()
			c.mustNotDownload("file")
			c.mustHave()
		}},
		{"test_artifact_cache", func(s *simulator) {
			c := s.client()
			s.addArtifact(tufTargets, "file", []byte("contents"))
			s.publish(release...)
			c.mustDownload("file")
			c.mustDownload("file")
			if len(s.fetched) != 1 {
				s.Errorf("fetched %q", s.fetched)
			}
		}},
	}
	for _, algorithms := range [][]string{{"sha256"}, {"sha512"}, {"sha256", "sha512"}} {
		cases = append(cases, conformanceCase{fmt.Sprintf("test_download_with_hash_algorithms/%s", strings.Join(algorithms, ",")), func(s *simulator) {
			s.addArtifact(tufTargets, "file", []byte("contents"), algorithms...)
			s.publish(release...)
			c := s.client()
			c.mustDownload("file")
			c.mustHave("contents")
			if len(s.fetched) != 1 {
				s.Errorf("fetched %q", s.fetched)
			}
		}})
	}
	runConformance(t, cases)
}

func TestConformanceQuoting(t *testing.T) {
	cases := []conformanceCase{}
	for role, quoted := range map[string]string{"?": "%3F", "#": "%23", "/delegatedrole": "%2Fdelegatedrole", "../delegatedrole": "..%2Fdelegatedrole"} {
		cases = append(cases, conformanceCase{"test_unusual_role_name/" + quoted, func(s *simulator) {
			s.delegate(tufTargets, delegation(role, false, "*"), s.blankTargets())
			s.publish(role, tufTargets, tufSnapshot, tufTimestamp)
			c := s.client()
			c.mustNotDownload("nonexistent target")
			c.mustAsk("root 2", "timestamp", "snapshot 2", "targets 2", quoted+" 1")
			if files, err := filepath.Glob(filepath.Join(c.metadata, "*.json")); err != nil || len(files) != 5 {
				s.Errorf("trusts %q, %v", files, err)
			}
		}})
	}
	runConformance(t, cases)
}

// Two repositories that real software made: what is particular about their form.
func TestConformanceStaticRepositories(t *testing.T) {
	runConformance(t, []conformanceCase{
		{"test_static_repository/sigstore-root-signing", func(s *simulator) {
			// The key type that go-tuf once wrote, unknown fields in keys, and 3 of 5.
			s.role(tufRoot, tufRoot)["threshold"] = 3
			for i := range 4 {
				s.addKey(tufRoot, tufRoot, makeKey(madeKeys()[keyECDSA][18+i], "ecdsa-sha2-nistp256/ecdsa-sha2-nistp256", obj{"x-tuf-on-ci-keyowner": fmt.Sprintf("@person%d", i)}))
			}
			s.signed[tufRoot]["x-tuf-on-ci-expiry-period"], s.signed[tufRoot]["x-tuf-on-ci-signing-period"] = 197, 46
			for range 10 {
				s.publish(tufRoot)
			}
			s.delegate(tufTargets, delegation("registry.npmjs.org", true, "registry.npmjs.org/*"), s.blankTargets())
			s.addArtifact(tufTargets, "trusted_root.json", []byte("{}"))
			s.signed[tufTargets]["targets"].(obj)["trusted_root.json"].(obj)["custom"] = obj{"sigstore": obj{"status": "Active", "uri": nil}}
			s.publish("registry.npmjs.org", tufTargets, tufSnapshot, tufTimestamp)
			c := s.client()
			c.mustRefresh()
			c.mustDownload("trusted_root.json")
		}},
		{"test_static_repository/tuf-on-ci-0.11", func(s *simulator) {
			s.signed[tufRoot]["roles"].(obj)[tufTimestamp].(obj)["x-tuf-on-ci-expiry-period"] = 2
			s.delegate(tufTargets, delegation("delegatedrole", true, "delegatedrole/*"), s.blankTargets())
			s.addArtifact("delegatedrole", "delegatedrole/artifact", []byte("artifact"))
			s.publish("delegatedrole", tufTargets, tufSnapshot, tufTimestamp, tufRoot)
			c := s.client()
			c.mustRefresh()
			c.mustDownload("delegatedrole/artifact")
		}},
	})
}

func TestConformanceKeys(t *testing.T) {
	cases := []conformanceCase{
		{"test_snapshot_does_not_meet_threshold", func(s *simulator) {
			s.role(tufSnapshot, tufRoot)["threshold"] = 3
			for range 2 {
				s.addKey(tufSnapshot, tufRoot, s.newKey(keyECDSA))
			}
			s.publish(allTop...)
			c := s.client()
			c.mustRefresh()
			s.signers[tufSnapshot] = s.signers[tufSnapshot][1:]
			s.publish(tufTargets, tufSnapshot, tufTimestamp)
			c.mustNotRefresh()
			c.mustTrust(2, 3, 2, 2)
		}},
		{"test_snapshot_has_too_few_keys", func(s *simulator) {
			c := s.client()
			for range 4 {
				s.addKey(tufSnapshot, tufRoot, s.newKey(keyECDSA))
			}
			s.role(tufSnapshot, tufRoot)["threshold"] = 6
			s.publish(tufRoot, tufSnapshot, tufTimestamp)
			c.mustNotRefresh()
			c.mustTrust(2, 2, 0, 0)
		}},
		{"test_duplicate_keys", func(s *simulator) {
			c := s.client()
			k := s.newKey(keyECDSA)
			for range 9 {
				s.trustKey(tufSnapshot, tufRoot, k)
			}
			s.addSigner(tufSnapshot, k)
			s.role(tufSnapshot, tufRoot)["threshold"] = 6
			s.publish(tufRoot, tufSnapshot, tufTimestamp)
			s.tamper(tufSnapshot, func(doc obj) {
				list := doc["signatures"].([]any)
				for range 8 {
					list = append(list, list[1])
				}
				doc["signatures"] = list
			})
			c.mustNotRefresh()
			if v := c.version(tufSnapshot); v != 0 {
				s.Errorf("snapshot %d is trusted", v)
			}
		}},
		{"test_duplicate_sig_keyids", func(s *simulator) {
			c := s.client()
			s.tamper(tufSnapshot, func(doc obj) {
				doc["signatures"] = append(doc["signatures"].([]any), doc["signatures"].([]any)[0])
			})
			c.mustNotRefresh()
			c.mustTrust(1, 1, 0, 0)
		}},
		{"test_invalid_sig_in_valid_metadata", func(s *simulator) {
			c := s.client()
			var doc struct {
				Signatures []any `json:"signatures"`
			}
			if err := json.Unmarshal(s.newest(tufTimestamp), &doc); err != nil {
				s.Fatal(err)
			}
			s.addKey(tufTimestamp, tufRoot, s.newKey(keyECDSA))
			s.publish(tufRoot, tufTimestamp)
			s.tamper(tufTimestamp, func(d obj) { d["signatures"].([]any)[0] = doc.Signatures[0] })
			c.mustRefresh()
			s.publish(tufTimestamp)
			s.tamper(tufTimestamp, func(d obj) { d["signatures"].([]any)[0].(obj)["sig"] = "" })
			c.mustRefresh()
			c.mustTrust(2, 3, 1, 1)
		}},
	}
	for _, kind := range []string{keyRSA, keyECDSA, keyEd25519} {
		cases = append(cases, conformanceCase{"test_keytype_and_scheme/" + kind, func(s *simulator) {
			c := s.client()
			k := s.newKey(kind)
			s.addKey(tufRoot, tufRoot, k)
			s.role(tufRoot, tufRoot)["threshold"] = 2
			s.publish(tufRoot)
			c.mustRefresh()
			c.mustTrust(2, 1, 1, 1)
			// A signature of the right form, by the same key, of something else.
			s.publish(tufRoot)
			s.tamper(tufRoot, func(doc obj) {
				doc["signatures"].([]any)[1].(obj)["sig"] = fmt.Sprintf("%x", k.sign([]byte("something else")))
			})
			c.mustNotRefresh()
			c.mustTrust(2, 1, 1, 1)
		}})
	}
	runConformance(t, cases)
}

func TestConformanceRollback(t *testing.T) {
	cases := []conformanceCase{
		{"test_new_timestamp_version_rollback", func(s *simulator) {
			c := s.client()
			s.publish(tufTimestamp)
			c.mustRefresh()
			s.restart(tufTimestamp)
			s.publish(tufTimestamp)
			c.asked = nil
			c.mustNotRefresh()
			c.mustTrust(1, 2, 1, 1)
			c.mustAsk("root 2", "timestamp")
		}},
		{"test_targets_role_removal", func(s *simulator) {
			c := s.client()
			s.delegate(tufTargets, delegation("delegated", false, "delegatedpath/*"), s.blankTargets())
			s.publish("delegated", tufTargets, tufSnapshot, tufTimestamp)
			c.mustRefresh()
			delete(s.signed[tufSnapshot]["meta"].(obj), "delegated.json")
			s.publish(tufSnapshot, tufTimestamp)
			c.mustNotRefresh()
			c.mustTrust(1, 3, 2, 2)
		}},
		{"test_targets_fast_forward_recovery", func(s *simulator) {
			c := s.client()
			s.delegate(tufTargets, delegation("delegated", false, "delegatedpath/*"), s.blankTargets())
			s.publish("delegated")
			for range 99 {
				s.publish(tufTargets)
			}
			s.publish(tufSnapshot, tufTimestamp)
			c.mustRefresh()
			s.rotate(tufSnapshot)
			s.restart(tufTargets)
			delete(s.signed[tufSnapshot]["meta"].(obj), "delegated.json")
			s.publish(allTop...)
			c.mustRefresh()
			c.mustTrust(2, 3, 3, 1)
		}},
		{"test_new_snapshot_fast_forward_recovery", func(s *simulator) {
			c := s.client()
			for range 99 {
				s.publish(tufSnapshot)
			}
			s.publish(tufTimestamp)
			c.mustRefresh()
			s.rotate(tufSnapshot)
			s.rotate(tufTimestamp)
			s.restart(tufSnapshot)
			s.publish(allTop...)
			c.mustRefresh()
			c.mustTrust(2, 3, 1, 2)
		}},
		{"test_new_timestamp_fast_forward_recovery", func(s *simulator) {
			c := s.client()
			for range 99 {
				s.publish(tufTimestamp)
			}
			c.mustRefresh()
			s.rotate(tufTimestamp)
			s.restart(tufTimestamp)
			s.publish(tufRoot, tufTimestamp)
			c.mustRefresh()
			c.mustTrust(2, 1, 1, 1)
		}},
	}
	for name, hashes := range map[string]bool{"basic": false, "with hashes": true} {
		cases = append(cases, conformanceCase{"test_snapshot_rollback/" + name, func(s *simulator) {
			c := s.client()
			s.hashes = hashes
			s.publish(tufSnapshot, tufTimestamp)
			c.mustRefresh()
			s.restart(tufSnapshot)
			s.publish(tufSnapshot, tufTimestamp)
			c.asked = nil
			c.mustNotRefresh()
			c.mustTrust(1, 2, 2, 1)
			c.mustAsk("root 2", "timestamp")
		}}, conformanceCase{"test_targets_rollback/" + name, func(s *simulator) {
			c := s.client()
			s.hashes = hashes
			s.publish(tufTargets, tufSnapshot, tufTimestamp)
			c.mustRefresh()
			s.restart(tufTargets)
			s.publish(tufTargets, tufSnapshot, tufTimestamp)
			c.mustNotRefresh()
			c.mustTrust(1, 3, 2, 2)
		}})
	}
	runConformance(t, cases)
}

// restart makes a role's next version the first again.
func (s *simulator) restart(role string) {
	delete(s.published, role)
	s.signed[role]["version"] = 1
}

func TestConformanceKeyRotations(t *testing.T) {
	type step struct {
		keys      []int
		threshold int
		sigs      []int
	}
	roots := []struct {
		name  string
		steps []step
		fails bool
	}{
		{"1-of-1-key-rotation", []step{{[]int{1}, 1, []int{1}}, {[]int{2}, 1, []int{2, 1}}, {[]int{2}, 1, []int{2}}}, false},
		{"1-of-1-key-rotation-unused-signatures", []step{{[]int{1}, 1, []int{3, 1, 4}}, {[]int{2}, 1, []int{3, 2, 1, 4}}, {[]int{2}, 1, []int{3, 2, 4}}}, false},
		{"3-of-5-sign-with-different-keycombos", []step{{[]int{0, 1, 2, 3, 4}, 3, []int{0, 2, 4}}, {[]int{0, 1, 2, 3, 4}, 3, []int{0, 4, 1}}, {[]int{0, 1, 2, 3, 4}, 3, []int{0, 1, 3}}, {[]int{0, 1, 2, 3, 4}, 3, []int{0, 1, 3}}}, false},
		{"3-of-5-one-key-rotated", []step{{[]int{0, 1, 2, 3, 4}, 3, []int{0, 2, 4}}, {[]int{0, 1, 3, 4, 5}, 3, []int{0, 4, 1}}}, false},
		{"3-of-5-one-key-rotated-with-intermediate-step", []step{{[]int{0, 1, 2, 3, 4}, 3, []int{0, 2, 4}}, {[]int{0, 1, 3, 4, 5}, 3, []int{0, 2, 4, 5}}, {[]int{0, 1, 3, 4, 5}, 3, []int{0, 4, 5}}}, false},
		{"3-of-5-all-keys-rotated-with-intermediate-step", []step{{[]int{0, 1, 2, 3, 4}, 3, []int{0, 2, 4}}, {[]int{5, 6, 7, 8, 9}, 3, []int{0, 2, 4, 5, 6, 7}}, {[]int{5, 6, 7, 8, 9}, 3, []int{5, 6, 7}}}, false},
		{"1-of-3-threshold-increase-to-2-of-3", []step{{[]int{1, 2, 3}, 1, []int{1}}, {[]int{1, 2, 3}, 2, []int{1, 2}}}, false},
		{"2-of-3-threshold-decrease-to-1-of-3", []step{{[]int{1, 2, 3}, 2, []int{1, 2}}, {[]int{1, 2, 3}, 1, []int{1, 2}}, {[]int{1, 2, 3}, 1, []int{1}}}, false},
		{"1-of-2-threshold-increase-to-2-of-2", []step{{[]int{1}, 1, []int{1}}, {[]int{1, 2}, 2, []int{1, 2}}}, false},
		{"1-of-1-key-rotation-fail-not-signed-with-old-key", []step{{[]int{1}, 1, []int{1}}, {[]int{2}, 1, []int{2, 3, 4}}}, true},
		{"1-of-1-key-rotation-fail-not-signed-with-new-key", []step{{[]int{1}, 1, []int{1}}, {[]int{2}, 1, []int{1, 3, 4}}}, true},
		{"3-of-5-one-key-rotate-fails-not-signed-with-3-new-keys", []step{{[]int{0, 1, 2, 3, 4}, 3, []int{0, 2, 4}}, {[]int{0, 1, 3, 4, 5}, 3, []int{0, 2, 4}}}, true},
		{"3-of-5-one-key-rotate-fails-not-signed-with-3-old-keys", []step{{[]int{0, 1, 2, 3, 4}, 3, []int{0, 2, 4}}, {[]int{0, 1, 3, 4, 5}, 3, []int{0, 4, 5}}}, true},
		{"1-of-3-threshold-bump-to-2-of-3-fails-new-threshold-not-reached", []step{{[]int{1, 2, 3}, 1, []int{1}}, {[]int{1, 2, 3}, 2, []int{2}}}, true},
		{"2-of-3-threshold-decr-to-1-of-3-fails-old-threshold-not-eached", []step{{[]int{1, 2, 3}, 2, []int{1, 2}}, {[]int{1, 2, 3}, 1, []int{1}}}, true},
	}
	put := func(s *simulator, role string, keys []simKey, v step) {
		s.role(role, tufRoot)["keyids"], s.role(role, tufRoot)["threshold"], s.signers[role] = []any{}, v.threshold, nil
		for _, i := range v.keys {
			s.trustKey(role, tufRoot, keys[i])
		}
		for _, i := range v.sigs {
			s.addSigner(role, keys[i])
		}
	}
	tenKeys := func(s *simulator) []simKey {
		var keys []simKey
		for range 10 {
			keys = append(keys, s.newKey(keyECDSA))
		}
		return keys
	}
	cases := []conformanceCase{}
	for _, test := range roots {
		cases = append(cases, conformanceCase{"test_root_rotation/" + test.name, func(s *simulator) {
			keys := tenKeys(s)
			s.restart(tufRoot)
			for _, v := range test.steps {
				put(s, tufRoot, keys, v)
				s.publish(tufRoot)
			}
			s.publish(tufTargets, tufSnapshot, tufTimestamp)
			c := s.client()
			if err := c.refresh(); (err != nil) != test.fails {
				s.Error(err)
			}
			last := len(test.steps)
			if test.fails {
				last--
			}
			c.mustKeep(tufRoot, s.published[tufRoot][last-1])
		}})
	}
	others := []struct {
		name  string
		step  step
		fails bool
	}{
		{"1-of-1-key-rotation", step{[]int{2}, 1, []int{2}}, false},
		{"1-of-1-key-rotation-unused-signatures", step{[]int{1}, 1, []int{3, 1, 4}}, false},
		{"1-of-1-key-rotation-fail-not-signed-with-new-key", step{[]int{2}, 1, []int{1, 3, 4}}, true},
		{"3-of-5-one-key-signature-wrong-not-signed-with-3-expected-keys", step{[]int{0, 1, 3, 4, 5}, 3, []int{0, 2, 4}}, true},
		{"2-of-5-one-key-signature-mising-threshold-not-reached", step{[]int{0, 1, 3, 4, 5}, 3, []int{0, 4}}, true},
		{"3-of-5-sign-first-combo", step{[]int{0, 1, 2, 3, 4}, 3, []int{0, 2, 4}}, false},
		{"3-of-5-sign-second-combo", step{[]int{0, 1, 2, 3, 4}, 3, []int{0, 4, 1}}, false},
		{"3-of-5-sign-third-combo", step{[]int{0, 1, 2, 3, 4}, 3, []int{0, 1, 3}}, false},
		{"3-of-5-sign-fourth-combo", step{[]int{0, 1, 2, 3, 4}, 3, []int{1, 2, 3}}, false},
		{"3-of-5-sign-fifth-combo", step{[]int{0, 1, 2, 3, 4}, 3, []int{2, 3, 4}}, false},
	}
	for _, test := range others {
		cases = append(cases, conformanceCase{"test_non_root_rotations/" + test.name, func(s *simulator) {
			c := s.client()
			keys := tenKeys(s)
			for _, role := range []string{tufTimestamp, tufSnapshot, tufTargets} {
				put(s, role, keys, test.step)
				s.publish(allTop...)
				if err := c.refresh(); (err != nil) != test.fails {
					s.Errorf("%s: %v", role, err)
				}
				if !test.fails {
					c.mustKeep(role, s.newest(role))
				}
			}
		}})
	}
	runConformance(t, cases)
}

func TestASimulatorsKeysAreOnesThatTUFKnows(t *testing.T) {
	for kind, list := range madeKeys() {
		k := makeKey(list[0], kind, nil)
		text := k.public["keyval"].(obj)["public"].(string)
		if block, _ := pem.Decode([]byte(text)); block != nil {
			if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		} else if len(text) != 64 {
			t.Errorf("%s: %q", kind, text)
		}
	}
}
