package server

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/sqlite"
)

// The public halves of the online keys, new and old, for the owners of the catalog's
// root, who take the one in and the other out.
const (
	onlinePublic = "online.pub"
	stolenPublic = "stolen.pub"
)

// markRekeyed is when the server's keys were changed after a theft (RFC 3339).
const markRekeyed = "server.rekeyed"

// Rekeyed is what a restored server has in the place of what was stolen.
type Rekeyed struct {
	// Online and Stolen are files with the public halves of the new online key and of
	// the old one.
	Online, Stolen string
	// AdminToken is the only credential that is good now.
	AdminToken string
	// Tokens is how many tokens and sessions were taken back.
	Tokens int
}

// RestoreRekeyed is [Restore] for a server whose keys somebody else has: the
// directory gets an online key and an authority of its own, every token is taken back
// but a new one for admin, and nobody has a password. Hosts follow once the catalog's root names the new
// online key, in a higher epoch.
func RestoreRekeyed(ctx context.Context, dir string, r io.Reader, admin hotstick.Person, now func() time.Time) (audit.Checkpoint, Rekeyed, error) {
	var made Rekeyed
	c, err := restore(ctx, dir, r, now, func(temp string) (err error) {
		made, err = rekey(ctx, temp, admin, now)
		return err
	})
	made.Online, made.Stolen = filepath.Join(dir, keysDir, onlinePublic), filepath.Join(dir, keysDir, stolenPublic)
	return c, made, err
}

// rekey changes every secret in a data directory that no server uses.
func rekey(ctx context.Context, dir string, admin hotstick.Person, now func() time.Time) (Rekeyed, error) {
	keys, err := rekeyOnline(filepath.Join(dir, keysDir))
	if err != nil {
		return Rekeyed{}, err
	}
	authority, err := identity.OpenAuthority(filepath.Join(dir, caDir))
	if err != nil {
		return Rekeyed{}, err
	}
	ended, err := authority.Succeed(now())
	if err != nil {
		return Rekeyed{}, err
	}
	s, err := sqlite.Open(ctx, filepath.Join(dir, databaseFile), now)
	if err != nil {
		return Rekeyed{}, err
	}
	var made Rekeyed
	err = s.Update(ctx, func(tx store.Tx) error {
		if err := tellSuccession(tx, ended, authority.Certificate(), keys); err != nil {
			return err
		}
		if err := tx.Events().SetMark(markRekeyed, tx.Now().UTC().Format(time.RFC3339)); err != nil {
			return err
		}
		if made.Tokens, err = revokeAll(tx); err != nil {
			return err
		}
		return forgetPasswords(tx)
	})
	if err == nil {
		made.AdminToken, err = addAPIToken(ctx, s, identity.Admin, admin)
	}
	return made, errors.Join(err, s.Close())
}

// consoleActor is who does what needs no token: whoever has the server's machine.
const consoleActor = "console of the server's machine"

// rekeyOnline makes another online key, and leaves both public halves beside it. It
// returns the evidence of both.
func rekeyOnline(dir string) ([]hotstick.Evidence, error) {
	path := filepath.Join(dir, onlineKey)
	stolen, err := statement.LoadSigner(path)
	if err != nil {
		return nil, err
	}
	fresh, err := statement.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil {
		return nil, fmt.Errorf("cannot forget the stolen key: %w", err)
	}
	if err := fresh.Save(path); err != nil {
		return nil, err
	}
	for name, key := range map[string]statement.Signer{onlinePublic: fresh, stolenPublic: stolen} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("cannot write %s anew: %w", name, err)
		}
		if err := statement.SavePublic(filepath.Join(dir, name), []byte(key.Public())); err != nil {
			return nil, err
		}
	}
	return []hotstick.Evidence{{Kind: "online-from", Text: string(hotstick.NewDigest(stolen.Public()))},
		{Kind: "online-to", Text: string(hotstick.NewDigest(fresh.Public()))}}, nil
}

// tellSuccession says of every authority that ended that the fresh one follows it,
// whatever was said of it before: hosts know one of them or another. Keys is the
// evidence of the online keys, which changed with it.
func tellSuccession(tx store.Tx, ended [][]byte, fresh []byte, keys []hotstick.Evidence) error {
	var all []statement.Authority
	for _, old := range ended[max(0, len(ended)-maxAuthorities):] {
		all = append(all, statement.Authority{From: hotstick.NewDigest(old), Certificate: fresh, Last: true,
			IssuedAt: tx.Now().Truncate(time.Second)})
	}
	text, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("cannot encode the authorities: %v", err)
	}
	if err := tx.Events().SetMark(markAuthorities, string(text)); err != nil {
		return err
	}
	_, err = tx.Events().Append(store.Event{Kind: identity.AuthoritySucceeded, Actor: consoleActor, Evidence: append([]hotstick.Evidence{
		{Kind: "from", Text: string(hotstick.NewDigest(ended[len(ended)-1]))}, {Kind: "to", Text: string(hotstick.NewDigest(fresh))}}, keys...)})
	return err
}

// revokeAll takes every token back that is good, and counts them.
func revokeAll(tx store.Tx) (int, error) {
	n := 0
	for _, kind := range []string{identity.APIToken, identity.SessionToken, identity.JoinToken} {
		tokens, err := tx.Tokens().List(kind)
		if err != nil {
			return n, err
		}
		for _, t := range tokens {
			if t.Revoked != nil {
				continue
			}
			if _, err := identity.RevokeToken(tx, kind, t.Digest.Short(), consoleActor, "somebody else has the server's keys"); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

// forgetPasswords leaves nobody a password: the thief has their hashes, and heard them
// from whoever signed in. Roles stay.
func forgetPasswords(tx store.Tx) error {
	accounts, err := tx.Tokens().Accounts()
	for _, a := range accounts {
		if a.Password != "" && err == nil {
			err = identity.SetPassword(tx, a.Person, "", consoleActor)
		}
	}
	return err
}

// strayed is identity.Authority.LapsedHost, and for a while after a theft it also
// takes a certificate of an authority that nobody here knows: the thief may have led
// the host to one of his own. What it names is a claim: it is believed by the route
// alone, which asks for the identity key's proof or gives away nothing but roots.
func (s *Server) strayed(r *http.Request) reader {
	return func(certificate *x509.Certificate, now time.Time) (caller, error) {
		id, err := s.authority.LapsedHost(certificate, now)
		if err == nil || errors.Is(err, identity.ErrLapsed) {
			return caller{Host: id}, err
		}
		var mark string
		if viewed := s.store.View(r.Context(), func(tx store.Tx) (err error) { mark, err = tx.Events().Mark(markRekeyed); return err }); viewed != nil {
			return caller{}, viewed
		}
		rekeyed, parsed := time.Parse(time.RFC3339, mark)
		if parsed != nil || now.After(rekeyed.Add(identity.LapsedLife)) {
			return caller{}, err
		}
		id, err = s.authority.Named(certificate)
		return caller{Host: id, Claimed: true}, err
	}
}

// agentRoot sends one root of the catalog and nothing else of it: what a host needs
// to know a server again that has other keys now.
func (s *Server) agentRoot() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("file")
		if !strings.HasSuffix(name, ".root.json") {
			writeProblem(w, newProblem(http.StatusNotFound, controller.CodeNotFound, "cannot find this file here", "roots are N.root.json"))
			return
		}
		s.serveFile(w, name)
	})
}
