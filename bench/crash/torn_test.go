package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/statement"
)

// kept is one file of a program's state, and how the program reads it: what it then goes
// by, in words, or why it does not.
type kept struct {
	name string
	file string
	read func() (string, error)
}

// damages are what a disk may make of a file: cut off, flipped bits, zeroed blocks.
func damages(data []byte, random *rand.Rand) map[string][]byte {
	made := map[string][]byte{}
	cuts := []int{0, 1, len(data) / 2, len(data) - 1}
	for at := 512; at < len(data); at += 512 * (1 + len(data)/4096) {
		cuts = append(cuts, at)
	}
	for _, n := range cuts {
		made[fmt.Sprintf("cut off after %d bytes", n)] = bytes.Clone(data[:n])
	}
	for range 50 {
		bit := random.IntN(8 * len(data))
		flipped := bytes.Clone(data)
		flipped[bit/8] ^= 1 << (bit % 8)
		made[fmt.Sprintf("bit %d flipped", bit)] = flipped
	}
	for _, size := range []int{512, 4096} {
		for at := 0; at < len(data); at += size * (1 + len(data)/(4*size)) {
			zeroed := bytes.Clone(data)
			clear(zeroed[at:min(at+size, len(data))])
			made[fmt.Sprintf("%d bytes zeroed at %d", size, at)] = zeroed
		}
	}
	return made
}

// estate is a server's directory and a host's, made as the programs make them.
type estate struct {
	*testing.T
	data, agent, loader string
	root                []byte
	online              statement.Signer
	now                 time.Time
}

func mustEstate(t *testing.T) *estate {
	t.Helper()
	e := &estate{T: t, data: filepath.Join(t.TempDir(), "data"), agent: t.TempDir(), loader: t.TempDir(), now: time.Now()}
	w := found.Wish{Data: e.data, Keys: t.TempDir(), Persons: []string{author, approver}, Approvals: 1, Admin: author, Now: e.now}
	made, err := found.Found(t.Context(), w)
	e.must(err)
	e.root = made.Root
	e.online, err = statement.LoadSigner(filepath.Join(e.data, "keys", "online.pem"))
	e.must(err)
	e.publish(w)
	e.must(os.MkdirAll(filepath.Join(e.agent, "catalog"), 0o700))
	e.must(os.WriteFile(filepath.Join(e.agent, "root.json"), e.root, 0o644))
	client := e.client()
	_, err = client.Refresh(t.Context(), e.now)
	e.must(err)
	home, err := agent.OpenHome(e.agent)
	e.must(err)
	_, err = home.Identity()
	e.must(err)
	e.must(durable.Replace(e.agent, "labels.json", 0o644, durable.Seal([]byte(`{"rack":"a3","site":"berlin"}`))))
	memory, err := home.Audit()
	e.must(err)
	view, err := client.Load()
	e.must(err)
	note, err := audit.SignCheckpoint(audit.Checkpoint{Epoch: 1, At: e.now, Head: audit.Head{Size: 7, Root: audit.Hash{1, 2, 3}}}, e.online)
	e.must(err)
	_, err = memory.Take(note, view.Trust, nil)
	e.must(err)
	e.certify()
	return e
}

// certify leaves authorities on both sides as a change of the authority's key has them:
// one that ended, one that is shown, and the next.
func (e *estate) certify() {
	e.Helper()
	authority, err := identity.OpenAuthority(filepath.Join(e.data, "ca"))
	e.must(err)
	_, err = authority.Announce(e.now)
	e.must(err)
	e.must(authority.Replace())
	_, err = authority.Announce(e.now)
	e.must(err)
	e.must(durable.Replace(e.agent, "ca.pem", 0o644, durable.Seal(authority.PEM())))
	pair, err := authority.ServerCertificate([]string{"n1"}, e.now)
	e.must(err)
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	e.must(err)
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})...)
	e.must(durable.Replace(e.agent, "tls.pem", 0o600, durable.Seal(text)))
}

func (e *estate) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// publish signs a level and a recall into the server's catalog.
func (e *estate) publish(w found.Wish) {
	e.Helper()
	publisher, err := statement.LoadSigner(w.KeyFile(found.PublisherKey))
	e.must(err)
	repo, err := catalog.OpenRepository(filepath.Join(e.data, "catalog"), e.online)
	e.must(err)
	p := newLevel(1, "good")
	_, err = repo.AddArtifact(bytes.NewReader(p.data))
	e.must(err)
	targets, err := catalog.Publish(catalog.Publication{Root: repo.Root(), Targets: repo.Targets(), Patch: p.patch, Now: e.now, Expires: found.End(e.now, found.TargetsLife),
		Read:  func(hotstick.Artifact) ([]byte, error) { return p.data, nil },
		Check: func(hotstick.Patch, hotstick.Artifact, []byte) error { return nil }}, publisher)
	e.must(err)
	_, err = repo.Accept(targets, e.now)
	e.must(err)
	targets, err = catalog.Revise(catalog.Revision{Root: repo.Root(), Targets: repo.Targets(), Expires: found.End(e.now, found.TargetsLife),
		Recalls: []hotstick.Recall{{Patch: ref(9), Action: hotstick.RecallBlock, Reason: "bad", Issued: e.now.UTC().Truncate(time.Second)}}}, publisher)
	e.must(err)
	_, err = repo.Accept(targets, e.now)
	e.must(err)
}

func (e *estate) client() *catalog.Client {
	e.Helper()
	client, err := catalog.NewClient(filepath.Join(e.agent, "catalog"), e.root, catalog.NewStaged(filepath.Join(e.data, "catalog")))
	e.must(err)
	return client
}

func words(v any, err error) (string, error) {
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(v)
	return string(text), err
}

// ledgerOf is a ledger with something in every list, as a loader has it in an attempt.
func (e *estate) ledgerOf() ledger.Ledger {
	level := ledger.Level{Patch: ref(1), Driver: "klp", Module: "fix_good_1", Artifact: newLevel(1, "good").patch.Artifacts[0].Digest, Build: build,
		Replace: true, ProbationSeconds: 600, TransitionSeconds: 60}
	plan := hotstick.NewDigest([]byte("a plan"))
	led := ledger.New("0b6f1d3c-0000-4000-a000-000000000001")
	led.Seq, led.Epoch, led.Confirmed["fix"] = 41, 3, 1
	led.Boot.ClockMillis = 123456
	led.Plans = []ledger.Plan{{ID: plan, Envelope: hotstick.NewDigest([]byte("an envelope")), Artifact: level.Artifact, NotAfter: e.now.UTC(), Attempt: 2, Level: &level}}
	led.Hold = &hotstick.HostHold{By: "root", Since: e.now.UTC(), Reason: "a test"}
	led.Halts = []hotstick.PlanID{hotstick.NewDigest([]byte("another plan"))}
	led.Strikes = []ledger.Strike{{Patch: ref(7), Boot: "b", Reason: hotstick.ReasonCrash}}
	led.Bans = []ledger.Ban{{Patch: ref(8), Reason: hotstick.Reason{Code: hotstick.ReasonOperator}, IssuedAt: e.now.UTC()}}
	led.Permit = &ledger.Permit{Level: level, Plan: plan, Attempt: 2, AppliedBoot: "b"}
	return led
}

// trusted is what a catalog says, unless it says itself that nothing may start from it:
// then its online signatures do not hold.
func (e *estate) trusted(v catalog.View, err error) (string, error) {
	if err == nil && v.Expires.IsZero() {
		err = catalog.ErrExpired
	}
	return words(v, err)
}

// files lists every file of state with its reader.
func (e *estate) files() []kept {
	disk, err := ledger.OpenDir(e.loader)
	e.must(err)
	e.Cleanup(func() { disk.Close() })
	data, err := ledger.Encode(e.ledgerOf())
	e.must(err)
	e.must(disk.Save(data))
	artifact := newLevel(1, "good")
	digest := artifact.patch.Artifacts[0].Digest
	e.must(disk.Keep(digest, artifact.data))
	home, err := agent.OpenHome(e.agent)
	e.must(err)
	loaderLedger := func() (string, error) {
		data, err := disk.Load()
		if err != nil {
			return "", err
		}
		return words(ledger.Decode(data))
	}
	who := func() (string, error) {
		signer, err := home.Identity()
		if err != nil {
			return "", err
		}
		return words(signer.Public(), nil)
	}
	pinned := func() (string, error) { // as hotstick-agent opens its catalog
		root, err := home.Root()
		if err != nil {
			return "", err
		}
		_, err = catalog.NewClient(home.CatalogDir(), root, nil)
		return "pinned", err
	}
	view := func() (string, error) {
		client, err := catalog.NewClient(filepath.Join(e.agent, "catalog"), e.root, nil)
		if err != nil {
			return "", err
		}
		v, err := client.Load()
		if err == nil && v.Refreshed.IsZero() { // unknown; whether that is noticed the next refresh tells
			_, err = e.client().Refresh(e.Context(), e.now)
		}
		return e.trusted(v, err)
	}
	served := func() (string, error) {
		repo, err := catalog.OpenRepository(filepath.Join(e.data, "catalog"), e.online)
		if err != nil {
			return "", err
		}
		return e.trusted(repo.View(), nil)
	}
	remembered := func() (string, error) {
		memory, err := home.Audit()
		if err != nil {
			return "", err
		}
		c, _ := memory.Kept()
		return words(c, nil)
	}
	online := func() (string, error) { // as the server does within a day
		key, err := statement.LoadSigner(filepath.Join(e.data, "keys", "online.pem"))
		if err != nil {
			return "", err
		}
		if !bytes.Equal(key.Public(), e.online.Public()) {
			return "", fmt.Errorf("the catalog's root does not name the key")
		}
		return "the key", nil
	}
	authority := func() (string, error) { // as the server opens it
		a, err := identity.OpenAuthority(filepath.Join(e.data, "ca"))
		if err != nil {
			return "", err
		}
		return string(a.PEM()), nil
	}
	session := func() (string, error) { // as the agent begins to talk to its server
		if _, err := agent.NewSession(home, "https://127.0.0.1:1", time.Now, slog.New(slog.DiscardHandler)); err != nil {
			return "", err
		}
		text := ""
		for _, name := range []string{"tls.pem", "ca.pem"} {
			data, err := os.ReadFile(filepath.Join(e.agent, name))
			e.must(err)
			data, err = durable.Unseal(data)
			e.must(err)
			text += string(data)
		}
		return text, nil
	}
	list := []kept{
		{"the agent's certificate", filepath.Join(e.agent, "tls.pem"), session},
		{"the agent's authorities", filepath.Join(e.agent, "ca.pem"), session},
		{"the authority", filepath.Join(e.data, "ca", "ca.pem"), authority},
		{"the authority's key", filepath.Join(e.data, "ca", "ca.key"), authority},
		{"the next authority", filepath.Join(e.data, "ca", "next.pem"), authority},
		{"the next authority's key", filepath.Join(e.data, "ca", "next.key"), authority},
		{"the former authorities", filepath.Join(e.data, "ca", "former.pem"), authority},
		{"the ledger", filepath.Join(e.loader, "ledger.json"), loaderLedger},
		{"a kept artifact", filepath.Join(e.loader, "kept", digest.Hex()), func() (string, error) { return words(disk.Kept(digest)) }},
		{"the identity key", filepath.Join(e.agent, "identity.key"), who},
		{"its public half", filepath.Join(e.agent, "identity.pub"), who},
		{"the pinned root", filepath.Join(e.agent, "root.json"), pinned},
		{"the labels", filepath.Join(e.agent, "labels.json"), func() (string, error) { return words(home.Labels(nil)) }},
		{"the checkpoint", filepath.Join(e.agent, "audit", "checkpoint"), remembered},
		{"the online key", filepath.Join(e.data, "keys", "online.pem"), online},
	}
	for dir, read := range map[string]func() (string, error){filepath.Join(e.agent, "catalog"): view, filepath.Join(e.data, "catalog"): served} {
		found, err := filepath.Glob(filepath.Join(dir, "*.json"))
		e.must(err)
		for _, file := range found {
			list = append(list, kept{filepath.Base(filepath.Dir(dir)) + "/" + filepath.Base(file), file, read})
		}
	}
	return list
}

// A disk may tear a file, flip its bits or lose its blocks. Whatever it does, a program
// says that it cannot read the file, or goes by what the whole file said.
func TestADamagedFileIsNeverTakenForAnotherOne(t *testing.T) {
	e := mustEstate(t)
	random := rand.New(rand.NewPCG(5, 8))
	cases, detected := 0, 0
	for _, k := range e.files() {
		good, err := os.ReadFile(k.file)
		e.must(err)
		want, err := k.read()
		e.must(err)
		for how, data := range damages(good, random) {
			e.must(os.WriteFile(k.file, data, 0o600))
			got, err := k.read()
			cases++
			switch {
			case err != nil:
				detected++
			case got != want:
				t.Errorf("%s, %s, is read as something else: %.300s", k.name, how, got)
			}
			e.must(os.WriteFile(k.file, good, 0o600)) // the reader may have mended it
		}
	}
	if t.Logf("%d damaged files: %d detected, %d harmless", cases, detected, cases-detected); cases < 1000 || detected == 0 {
		t.Errorf("%d cases, of which %d were detected, show little", cases, detected)
	}
}
