package catalog_test

import (
	"slices"
	"testing"
)

// edge is one delegation of a graph. Without paths it is for every path.
type edge struct {
	delegator, role string
	terminating     bool
	paths           []string
}

// grow adds the delegations, and publishes what has changed.
func (s *simulator) grow(edges []edge, files map[[2]string]string) {
	changed := []string{}
	for _, e := range edges {
		paths := e.paths
		if paths == nil {
			paths = []string{"*"}
		}
		s.delegate(e.delegator, delegation(e.role, e.terminating, paths...), s.blankTargets())
		changed = append(changed, e.delegator, e.role)
	}
	for at, content := range files {
		s.addArtifact(at[0], at[1], []byte(content))
	}
	slices.Sort(changed)
	s.publish(append(slices.Compact(changed), tufSnapshot, tufTimestamp)...)
}

func TestConformanceDelegationGraphs(t *testing.T) {
	py := []string{"*.py"}
	graphs := []struct {
		name  string
		edges []edge
		order []string
	}{
		{"basic-delegation", []edge{{"targets", "A", false, nil}}, []string{"A"}},
		{"single-level-delegations", []edge{{"targets", "A", false, nil}, {"targets", "B", false, nil}}, []string{"A", "B"}},
		{"two-level-delegations", []edge{{"targets", "A", false, nil}, {"targets", "B", false, nil}, {"B", "C", false, nil}}, []string{"A", "B", "C"}},
		{"two-level-test-DFS-order-of-traversal", []edge{{"targets", "A", false, nil}, {"targets", "B", false, nil}, {"A", "C", false, nil}, {"A", "D", false, nil}}, []string{"A", "C", "D", "B"}},
		{"three-level-delegation-test-DFS-order-of-traversal", []edge{{"targets", "A", false, nil}, {"targets", "B", false, nil}, {"A", "C", false, nil}, {"C", "D", false, nil}}, []string{"A", "C", "D", "B"}},
		{"two-level-terminating-ignores-all-but-roles-descendants", []edge{{"targets", "A", false, nil}, {"targets", "B", false, nil}, {"A", "C", true, nil}, {"A", "D", false, nil}}, []string{"A", "C"}},
		{"three-level-terminating-ignores-all-but-roles-descendants", []edge{{"targets", "A", false, nil}, {"targets", "B", false, nil}, {"A", "C", true, nil}, {"C", "D", false, nil}}, []string{"A", "C", "D"}},
		{"two-level-ignores-all-branches-not-matching-paths", []edge{{"targets", "A", false, py}, {"targets", "B", false, nil}, {"A", "C", false, nil}}, []string{"B"}},
		{"three-level-ignores-all-branches-not-matching-paths", []edge{{"targets", "A", false, nil}, {"targets", "B", false, nil}, {"A", "C", false, py}, {"C", "D", false, nil}}, []string{"A", "B"}},
		{"cyclic-graph", []edge{{"targets", "A", false, nil}, {"targets", "B", false, nil}, {"B", "C", false, nil}, {"C", "D", false, nil}, {"D", "B", false, nil}}, []string{"A", "B", "C", "D"}},
		{"two-roles-delegating-to-a-third", []edge{{"targets", "A", false, nil}, {"targets", "B", false, nil}, {"B", "C", false, nil}, {"A", "C", false, nil}}, []string{"A", "C", "B"}},
		{"two-roles-delegating-to-a-third-different-paths", []edge{{"targets", "A", false, nil}, {"targets", "B", false, nil}, {"B", "C", false, nil}, {"A", "C", false, py}}, []string{"A", "B", "C"}},
	}
	cases := []conformanceCase{}
	for _, g := range graphs {
		cases = append(cases, conformanceCase{"test_graph_traversal/" + g.name, func(s *simulator) {
			c := s.client()
			s.grow(g.edges, nil)
			c.mustNotDownload("missingpath")
			c.mustVisit(g.order...)
		}})
	}

	//	                targets
	//	*.doc, *.md, foo-?.tgz /  \ releases/*/*
	//	                    A      B
	//	       releases/x/* /        \ releases/y/*.zip
	//	                   C          D
	tree := []edge{{"targets", "A", false, []string{"*.doc", "*.md", "foo-?.tgz"}}, {"targets", "B", false, []string{"releases/*/*"}},
		{"B", "C", false, []string{"releases/x/*"}}, {"B", "D", false, []string{"releases/y/*.zip"}}}
	files := map[[2]string]string{
		{"targets", "targetfile"}: "targetfile content", {"A", "README.md"}: "README by A", {"A", "releases/README.md"}: "nested README by A",
		{"A", "foo-1.tgz"}: "foo 1", {"A", "foo-alpha.tgz"}: "foo alpha", {"C", "releases/x/x_v1"}: "x release by C",
		{"D", "releases/y/y_v1.zip"}: "y release by D", {"D", "releases/z/z_v1.zip"}: "z release by D",
	}
	for _, test := range []struct {
		name, target, content string
		order                 []string
	}{
		{"no delegations", "targetfile", "targetfile content", nil},
		{"targetpath matches wildcard", "README.md", "README by A", []string{"A"}},
		{"targetpath with separators x", "releases/x/x_v1", "x release by C", []string{"B", "C"}},
		{"targetpath with separators y", "releases/y/y_v1.zip", "y release by D", []string{"B", "D"}},
		{"targetpath is not delegated by all roles in the chain", "releases/z/z_v1.zip", "", []string{"B"}},
		{"wildcard does not match path separator", "releases/README.md", "", nil},
		{"targetpath matches question mark wildcard", "foo-1.tgz", "foo 1", []string{"A"}},
		{"targetpath does not match question mark wildcard", "foo-alpha.tgz", "", nil},
		{"targetpath matching is case sensitive", "README.MD", "", nil},
	} {
		cases = append(cases, conformanceCase{"test_targetfile_search/" + test.name, func(s *simulator) {
			c := s.client()
			s.grow(tree, files)
			if test.content == "" {
				c.mustNotDownload(test.target)
			} else {
				c.mustDownload(test.target)
				c.mustHave(test.content)
			}
			c.mustVisit(test.order...)
		}})
	}
	runConformance(t, append(cases,
		conformanceCase{"test_cached_role_is_verified_against_current_delegator", func(s *simulator) {
			c := s.client()
			s.delegate(tufTargets, delegation("parent-a", false, "team-a/*"), s.blankTargets())
			s.delegate(tufTargets, delegation("parent-b", false, "team-b/*"), s.blankTargets())
			s.delegate("parent-a", delegation("release", false, "team-a/*"), s.blankTargets())
			s.delegate("parent-b", delegation("release", false, "team-b/*"), nil)
			s.signers["release"] = s.signers["release"][:1] // parent-a's only
			s.addArtifact("release", "team-a/trusted_root.json", []byte("trusted A"))
			s.addArtifact("release", "team-b/trusted_root.json", []byte("malicious B"))
			s.publish("release", "parent-a", "parent-b", tufTargets, tufSnapshot, tufTimestamp)
			c.mustNotDownload("team-a/trusted_root.json", "team-b/trusted_root.json")
			c.mustHave("trusted A")
		}},
		conformanceCase{"test_delegation_not_in_snapshot", func(s *simulator) {
			c := s.client()
			s.delegate(tufTargets, delegation("delegated", false, "delegatedpath/*"), s.blankTargets())
			s.publish("delegated", tufTargets)
			delete(s.signed[tufSnapshot]["meta"].(obj), "delegated.json")
			s.publish(tufSnapshot, tufTimestamp)
			c.mustRefresh()
			c.asked = nil
			c.mustNotDownload("delegatedpath/foo")
			c.mustAsk("root 2", "timestamp")
			if v := c.version("delegated"); v != 0 {
				s.Errorf("version %d is trusted", v)
			}
		}}))
}

// mustVisit checks which delegated roles were asked for, after the top-level four.
func (c *subject) mustVisit(roles ...string) {
	c.Helper()
	want := []string{"root 2", "timestamp", "snapshot 2", c.asked[3]}
	for _, r := range roles {
		want = append(want, r+" 1")
	}
	c.mustAsk(want...)
}

// What the suite leaves out: delegation by digest of the path, and in bins.
func TestDelegationByDigestAndInBins(t *testing.T) {
	runConformance(t, []conformanceCase{
		{"path hash prefixes are hexadecimal", func(s *simulator) {
			// The SHA-256 of "file" begins with 3b9c.
			for name, prefix := range map[string]string{"other": "3b9d", "mine": "3b9c"} {
				d := delegation(name, false)
				delete(d, "paths")
				d["path_hash_prefixes"] = []any{prefix}
				s.delegate(tufTargets, d, s.blankTargets())
			}
			s.addArtifact("mine", "file", []byte("contents"))
			s.publish("mine", "other", tufTargets, tufSnapshot, tufTimestamp)
			c := s.client()
			c.mustDownload("file")
			c.mustVisit("mine")
		}},
		{"succinct roles", func(s *simulator) {
			k := s.newKey(keyECDSA)
			s.signed[tufTargets]["delegations"] = obj{"keys": obj{k.id: k.public}, "succinct_roles": obj{"keyids": []any{k.id}, "threshold": 1, "bit_length": 5, "name_prefix": "bin"}}
			bin := "bin-07" // the first five bits of 3b9c
			s.signed[bin] = s.blankTargets()
			s.addSigner(bin, k)
			s.addArtifact(bin, "file", []byte("contents"))
			s.publish(bin, tufTargets, tufSnapshot, tufTimestamp)
			c := s.client()
			c.mustDownload("file")
			c.mustVisit(bin)
		}},
	})
}
