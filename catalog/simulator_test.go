package catalog_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"

	"github.com/hotstick/hotstick/catalog"
)

// The simulator is a TUF repository that does whatever a test says, lies included.
// It makes its own metadata and signatures, so that no code of the client's is on
// both sides of a test.

const (
	tufRoot, tufTimestamp, tufSnapshot, tufTargets = "root", "timestamp", "snapshot", "targets"
	keyECDSA, keyRSA, keyEd25519                   = "ecdsa/ecdsa-sha2-nistp256", "rsa/rsassa-pss-sha256", "ed25519/ed25519"
)

// obj is a JSON object.
type obj = map[string]any

type simKey struct {
	id     string
	public obj
	sign   func(payload []byte) []byte
}

// madeKeys are made once: RSA keys take their time.
var madeKeys = sync.OnceValue(func() map[string][]crypto.Signer {
	keys := map[string][]crypto.Signer{}
	for range 24 {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		keys[keyECDSA] = append(keys[keyECDSA], k)
	}
	for range 2 {
		r, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		_, e, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			panic(err)
		}
		keys[keyRSA], keys[keyEd25519] = append(keys[keyRSA], r), append(keys[keyEd25519], e)
	}
	return keys
})

type simulator struct {
	*testing.T
	now       time.Time
	signed    map[string]obj
	signers   map[string][]simKey
	published map[string][][]byte
	artifacts map[string][]byte
	// asked lists the metadata that was asked for, as ROLE or ROLE VERSION.
	asked []string
	// fetched lists the artifacts that were asked for, as HASH.PATH.
	fetched []string
	// hashes: snapshot and timestamp name lengths and digests.
	hashes bool
	used   map[string]int
}

func newSimulator(t *testing.T) *simulator {
	s := &simulator{T: t, now: start, signed: map[string]obj{}, signers: map[string][]simKey{}, published: map[string][][]byte{},
		artifacts: map[string][]byte{}, used: map[string]int{}}
	s.signed[tufRoot] = s.blank(tufRoot)
	s.signed[tufRoot]["consistent_snapshot"], s.signed[tufRoot]["keys"] = true, obj{}
	roles := obj{}
	s.signed[tufRoot]["roles"] = roles
	for _, role := range []string{tufRoot, tufTimestamp, tufSnapshot, tufTargets} {
		roles[role] = obj{"keyids": []any{}, "threshold": 1}
		s.addKey(role, tufRoot, s.newKey(keyECDSA))
	}
	s.signed[tufTimestamp] = s.blank(tufTimestamp)
	s.signed[tufTimestamp]["meta"] = obj{}
	s.signed[tufSnapshot] = s.blank(tufSnapshot)
	s.signed[tufSnapshot]["meta"] = obj{}
	s.signed[tufTargets] = s.blankTargets()
	s.publish(tufTargets, tufSnapshot, tufTimestamp, tufRoot)
	return s
}

func (s *simulator) blank(kind string) obj {
	return obj{"_type": kind, "spec_version": "1.0.34", "version": 1, "expires": s.in(30 * 24 * time.Hour)}
}

func (s *simulator) blankTargets() obj {
	t := s.blank(tufTargets)
	t["targets"] = obj{}
	return t
}

func (s *simulator) in(d time.Duration) string { return s.now.Add(d).Format(time.RFC3339) }

// newKey returns a key that this simulator has not used yet.
func (s *simulator) newKey(kind string) simKey {
	n := s.used[kind]
	s.used[kind]++
	return makeKey(madeKeys()[kind][n], kind, nil)
}

func makeKey(private crypto.Signer, kind string, extra obj) simKey {
	keytype, scheme, _ := strings.Cut(kind, "/")
	k := simKey{public: obj{"keytype": keytype, "scheme": scheme}}
	text := ""
	if public, ok := private.Public().(ed25519.PublicKey); ok {
		text = hex.EncodeToString(public)
	} else {
		der, err := x509.MarshalPKIXPublicKey(private.Public())
		if err != nil {
			panic(err)
		}
		text = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	k.public["keyval"] = obj{"public": text}
	for name, value := range extra {
		k.public[name] = value
	}
	canonical, err := cjson.EncodeCanonical(k.public)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(canonical)
	k.id = hex.EncodeToString(sum[:])
	k.sign = func(payload []byte) []byte {
		digest := sha256.Sum256(payload)
		var sig []byte
		var err error
		switch keytype {
		case "ed25519":
			sig, err = private.Sign(rand.Reader, payload, crypto.Hash(0))
		case "rsa":
			sig, err = private.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
		default:
			sig, err = private.Sign(rand.Reader, digest[:], crypto.SHA256)
		}
		if err != nil {
			panic(err)
		}
		return sig
	}
	return k
}

// role returns what root says of a top-level role, or a delegator of its delegate.
func (s *simulator) role(name, delegator string) obj {
	if delegator == tufRoot {
		return s.signed[tufRoot]["roles"].(obj)[name].(obj)
	}
	for _, r := range s.signed[delegator]["delegations"].(obj)["roles"].([]any) {
		if r := r.(obj); r["name"] == name {
			return r
		}
	}
	s.Fatalf("%s does not delegate to %s", delegator, name)
	return nil
}

// trustKey makes the delegator name a key, whether it names it already or not.
func (s *simulator) trustKey(role, delegator string, k simKey) {
	r := s.role(role, delegator)
	r["keyids"] = append(r["keyids"].([]any), k.id)
	if delegator == tufRoot {
		s.signed[tufRoot]["keys"].(obj)[k.id] = k.public
	} else {
		s.signed[delegator]["delegations"].(obj)["keys"].(obj)[k.id] = k.public
	}
}

// addKey makes the delegator name a key, and the role be signed with it.
func (s *simulator) addKey(role, delegator string, k simKey) {
	s.trustKey(role, delegator, k)
	s.addSigner(role, k)
}

func (s *simulator) addSigner(role string, k simKey) {
	if !slices.ContainsFunc(s.signers[role], func(have simKey) bool { return have.id == k.id }) {
		s.signers[role] = append(s.signers[role], k)
	}
}

// rotate gives a top-level role as many new keys as its threshold.
func (s *simulator) rotate(role string) {
	r := s.role(role, tufRoot)
	r["keyids"], s.signers[role] = []any{}, nil
	for range r["threshold"].(int) {
		s.addKey(role, tufRoot, s.newKey(keyECDSA))
	}
}

// delegate adds a delegation, with a key of its own, after the others.
func (s *simulator) delegate(delegator string, role obj, targets obj) {
	name := role["name"].(string)
	d, ok := s.signed[delegator]["delegations"].(obj)
	if !ok {
		d = obj{"keys": obj{}, "roles": []any{}}
		s.signed[delegator]["delegations"] = d
	}
	d["roles"] = append(d["roles"].([]any), role)
	s.addKey(name, delegator, s.newKey(keyECDSA))
	if s.signed[name] == nil {
		s.signed[name] = targets
	}
}

func delegation(name string, terminating bool, paths ...string) obj {
	list := []any{}
	for _, p := range paths {
		list = append(list, p)
	}
	return obj{"name": name, "keyids": []any{}, "threshold": 1, "terminating": terminating, "paths": list}
}

// publish signs roles, each with a version one higher than was published.
func (s *simulator) publish(roles ...string) {
	s.Helper()
	for _, role := range roles {
		if s.published[role] != nil {
			s.signed[role]["version"] = s.signed[role]["version"].(int) + 1
		}
		data := s.sign(role)
		s.published[role] = append(s.published[role], data)
		meta := obj{"version": s.signed[role]["version"]}
		if s.hashes {
			sum := sha256.Sum256(data)
			meta["length"], meta["hashes"] = len(data), obj{"sha256": hex.EncodeToString(sum[:])}
		}
		switch role {
		case tufRoot, tufTimestamp:
		case tufSnapshot:
			s.signed[tufTimestamp]["meta"].(obj)["snapshot.json"] = meta
		default:
			s.signed[tufSnapshot]["meta"].(obj)[role+".json"] = meta
		}
	}
}

func (s *simulator) sign(role string) []byte {
	s.Helper()
	payload, err := cjson.EncodeCanonical(s.signed[role])
	if err != nil {
		s.Fatal(err)
	}
	signatures := []any{}
	for _, k := range s.signers[role] {
		signatures = append(signatures, obj{"keyid": k.id, "sig": hex.EncodeToString(k.sign(payload))})
	}
	data, err := json.MarshalIndent(obj{"signed": s.signed[role], "signatures": signatures}, "", " ")
	if err != nil {
		s.Fatal(err)
	}
	return data
}

// tamper edits the newest file of a role after it was signed.
func (s *simulator) tamper(role string, edit func(doc obj)) {
	s.Helper()
	list := s.published[role]
	var doc obj
	dec := json.NewDecoder(bytes.NewReader(list[len(list)-1]))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		s.Fatal(err)
	}
	edit(doc)
	data, err := json.Marshal(doc)
	if err != nil {
		s.Fatal(err)
	}
	list[len(list)-1] = data
}

// newest returns a role's file as it was published last.
func (s *simulator) newest(role string) []byte { return s.published[role][len(s.published[role])-1] }

func (s *simulator) addArtifact(role, target string, data []byte, algorithms ...string) {
	sum, sum512 := sha256.Sum256(data), sha512.Sum512(data)
	if len(algorithms) == 0 {
		algorithms = []string{"sha256"}
	}
	hashes := obj{}
	for _, a := range algorithms {
		hashes[a] = hex.EncodeToString(sum512[:])
		if a == "sha256" {
			hashes[a] = hex.EncodeToString(sum[:])
		}
	}
	s.signed[role]["targets"].(obj)[target] = obj{"length": len(data), "hashes": hashes}
	s.artifacts[target] = data
}

// simMetadata and simTargets are the two halves of a simulator as sources.
type (
	simMetadata struct{ *simulator }
	simTargets  struct{ *simulator }
)

func (s simMetadata) Fetch(_ context.Context, name string, _ int64) ([]byte, error) {
	role, version := strings.TrimSuffix(name, ".json"), 0
	if role != tufTimestamp {
		var n string
		n, role, _ = strings.Cut(role, ".")
		version, _ = strconv.Atoi(n)
		s.asked = append(s.asked, role+" "+n)
	} else {
		s.asked = append(s.asked, role)
	}
	role, err := url.PathUnescape(role)
	if err != nil {
		return nil, err
	}
	list := s.published[role]
	if version == 0 {
		version = len(list)
	}
	if version < 1 || version > len(list) {
		return nil, fmt.Errorf("no %s: %w", name, fs.ErrNotExist)
	}
	return list[version-1], nil
}

func (s simTargets) Fetch(_ context.Context, name string, _ int64) ([]byte, error) {
	s.fetched = append(s.fetched, name)
	prefix, file, _ := strings.Cut(path.Base(name), ".")
	target, err := url.PathUnescape(path.Join(path.Dir(name), file))
	if err != nil || len(prefix) < 64 {
		return nil, fmt.Errorf("no %s: %w", name, fs.ErrNotExist)
	}
	data, ok := s.artifacts[target]
	if !ok {
		return nil, fmt.Errorf("no %s: %w", name, fs.ErrNotExist)
	}
	return data, nil
}

// subject is the client under test. Like the suite's, it is a new process each
// time: nothing but its directories lives on.
type subject struct {
	*simulator
	metadata, targets string
}

func (s *simulator) client() *subject {
	s.Helper()
	c := s.newClient()
	if err := catalog.InitGeneric(c.metadata, s.published[tufRoot][0]); err != nil {
		s.Fatal(err)
	}
	return c
}

func (s *simulator) newClient() *subject {
	return &subject{simulator: s, metadata: s.TempDir(), targets: s.TempDir()}
}

func (c *subject) refresh() error {
	return catalog.NewGeneric(c.metadata, simMetadata{c.simulator}).Refresh(context.Background(), c.now)
}

func (c *subject) download(names ...string) error {
	g := catalog.NewGeneric(c.metadata, simMetadata{c.simulator})
	if err := g.Refresh(context.Background(), c.now); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := g.Download(context.Background(), name, simTargets{c.simulator}, c.targets); err != nil {
			return err
		}
	}
	return nil
}

func (c *subject) mustRefresh() {
	c.Helper()
	if err := c.refresh(); err != nil {
		c.Fatal(err)
	}
}

func (c *subject) mustNotRefresh() {
	c.Helper()
	if err := c.refresh(); err == nil {
		c.Error("the refresh succeeded")
	}
}

func (c *subject) mustDownload(names ...string) {
	c.Helper()
	if err := c.download(names...); err != nil {
		c.Fatal(err)
	}
}

func (c *subject) mustNotDownload(names ...string) {
	c.Helper()
	if err := c.download(names...); err == nil {
		c.Errorf("%v were downloaded", names)
	}
}

// version returns the trusted version of a role, 0 if there is none.
func (c *subject) version(role string) int {
	c.Helper()
	data, err := os.ReadFile(filepath.Join(c.metadata, role+".json"))
	if err != nil {
		return 0
	}
	var doc struct {
		Signed struct {
			Version int `json:"version"`
		} `json:"signed"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		c.Fatal(err)
	}
	return doc.Signed.Version
}

// mustTrust checks the trusted versions of root, timestamp, snapshot and targets.
func (c *subject) mustTrust(root, timestamp, snapshot, targets int) {
	c.Helper()
	got := []int{c.version(tufRoot), c.version(tufTimestamp), c.version(tufSnapshot), c.version(tufTargets)}
	if !slices.Equal(got, []int{root, timestamp, snapshot, targets}) {
		c.Errorf("root, timestamp, snapshot and targets are trusted in versions %v", got)
	}
}

// mustAsk checks which metadata was asked for, and forgets it.
func (c *subject) mustAsk(want ...string) {
	c.Helper()
	if !slices.Equal(c.asked, want) {
		c.Errorf("asked for %q, want %q", c.asked, want)
	}
	c.asked = nil
}

// mustHave checks the bytes of the downloaded files, in no order.
func (c *subject) mustHave(want ...string) {
	c.Helper()
	files, err := filepath.Glob(filepath.Join(c.targets, "*"))
	if err != nil {
		c.Fatal(err)
	}
	got := []string{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			c.Fatal(err)
		}
		got = append(got, string(data))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		c.Errorf("downloaded %q, want %q", got, want)
	}
}
