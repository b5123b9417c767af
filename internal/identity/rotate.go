package identity

import (
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hotstick/hotstick/internal/durable"
)

// Kinds of events of an authority that changes its key; the evidence has the digests
// of the two certificates.
const (
	// AuthorityAnnounced: a new one stands beside the old, and both are trusted.
	AuthorityAnnounced = "authority.announced"
	// AuthorityReplaced: the old one is not trusted any more.
	AuthorityReplaced = "authority.replaced"
)

// ErrNoNext: there is no next authority.
var ErrNoNext = errors.New("cannot replace the authority: no other was announced")

// Announce makes the next authority, which signs the certificates of hosts from now
// on, and returns its certificate in DER. The server shows the old one until
// [Authority.Replace]. It may be repeated.
func (a *Authority) Announce(now time.Time) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next != nil {
		return a.next.certificate.Raw, nil
	}
	made, err := newIssuer(a.domain, now)
	if err != nil {
		return nil, err
	}
	// What a crash left of another try was announced to nobody: its certificate is
	// written last.
	if err := os.Remove(filepath.Join(a.dir, nextKey)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot make the next authority: %w", err)
	}
	if err := made.save(a.dir, nextCertificate, nextKey); err != nil {
		return nil, err
	}
	a.next = &made
	return made.certificate.Raw, nil
}

// Next returns the next authority's certificate in DER, or nil.
func (a *Authority) Next() []byte {
	if all := a.issuers(); len(all) == 2 {
		return all[1].certificate.Raw
	}
	return nil
}

// Replace puts the next authority in the place of the old one, whose certificates
// only renew themselves from now on. After a crash OpenAuthority ends what it began.
func (a *Authority) Replace() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next == nil {
		return ErrNoNext
	}
	former := append(a.former[:len(a.former):len(a.former)], a.shown.certificate)
	var text []byte
	for _, c := range former {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	if err := durable.Replace(a.dir, formerFile, 0o644, durable.Seal(text)); err != nil {
		return err
	}
	for _, move := range [][2]string{{nextKey, KeyFile}, {nextCertificate, CertificateFile}} {
		if err := os.Rename(filepath.Join(a.dir, move[0]), filepath.Join(a.dir, move[1])); err != nil {
			return fmt.Errorf("cannot replace the authority: %w", err)
		}
	}
	a.former, a.shown, a.next = former, *a.next, nil
	return nil
}
