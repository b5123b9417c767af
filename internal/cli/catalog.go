package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/cli/folder"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/cli/settings"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/statement"
)

func (a *app) catalog() *cobra.Command {
	return noun("catalog", "Sign the catalog where the keys are: export it, sign offline, push it",
		a.catalogExport(), a.catalogShow(), a.catalogPublish(), a.catalogRenew(), a.catalogRecall(), a.catalogRoot(), a.catalogRefound(), a.catalogDelegate(),
		a.catalogSign(), a.catalogDrop(), a.catalogImport(), a.catalogPush())
}

// openFolder opens an exported catalog, without any network.
func (a *app) openFolder(dir string) (*folder.Folder, error) {
	f, pinned, err := a.readFolder(dir)
	if err != nil {
		return nil, err
	}
	if !pinned {
		anchor, err := f.Anchor()
		if err != nil {
			return nil, err
		}
		a.note(fmt.Sprintf("warning: nobody gave you the catalog's root; taking the one in %s (%s)", show.Escape(dir), hotstick.NewDigest(anchor)),
			"hint: get root.json from its owner, and name it in HOTSTICK_ROOT or as root in your context")
	}
	return f, nil
}

// readFolder is openFolder without the warning that nobody gave this person a root.
func (a *app) readFolder(dir string) (_ *folder.Folder, pinned bool, err error) {
	given, err := a.givenRoot()
	if err != nil {
		return nil, false, err
	}
	f, err := folder.Open(dir, given)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = fail(exitNotFound, "hotstick catalog export DIR makes one", "%v", err)
	case errors.Is(err, folder.ErrDamaged):
		err = fail(exitRefused, "export it anew", "%v", err)
	case errors.Is(err, catalog.ErrRefused):
		err = fail(exitRefused, "it does not follow from the root that you were given, or was changed on the way; export it anew", "cannot use the catalog in %s: %v", dir, err)
	}
	return f, given != nil, err
}

// givenRoot reads the root that this person was given; a machine without a server
// may have no context at all.
func (a *app) givenRoot() ([]byte, error) {
	name := a.env.Getenv("HOTSTICK_ROOT")
	if name == "" {
		chosen, err := a.settings()
		if err != nil && !errors.Is(err, settings.ErrNoServer) {
			return nil, err
		}
		name = chosen.Root
	}
	if name == "" {
		return nil, nil
	}
	given, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read the root that this person was given: %w", err)
	}
	return given, nil
}

// inFolder opens an exported catalog for writing, and keeps other commands out of
// it for as long as fn runs.
func (a *app) inFolder(dir string, fn func(*folder.Folder) error) error {
	return locked(dir, func() error {
		f, err := a.openFolder(dir)
		if err != nil {
			return err
		}
		return fn(f)
	})
}

// locked runs fn while no other command writes to the directory.
func locked(dir string, fn func() error) error {
	if _, err := os.Stat(dir); err != nil {
		return fail(exitNotFound, "hotstick catalog export DIR makes one", "cannot open the catalog: %v", err)
	}
	unlock, err := lock(filepath.Join(dir, ".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	return fn()
}

// drafting is a change of the catalog on its way to a signature.
type drafting struct {
	signing
	life string
}

func (d *drafting) flags(cmd *cobra.Command, life time.Duration) {
	d.signing.flags(cmd)
	cmd.Flags().StringVar(&d.life, "life", days(life), "how long the new metadata lives")
}

// days writes a length of whole days as --life takes it.
func days(life time.Duration) string { return fmt.Sprintf("%dd", int(life.Hours()/24)) }

func (d *drafting) expires(now time.Time) (time.Time, error) {
	life, ok := parseSpan(d.life)
	if !ok {
		return time.Time{}, usage("give a length such as 180d", "cannot use %q for --life", d.life)
	}
	return found.End(now, life), nil
}

// propose makes the next metadata of a role, shows what it changes, asks, signs it
// and keeps it as pending.
func (a *app) propose(f *folder.Folder, role string, d drafting, make func(expires time.Time) ([]byte, error)) error {
	if d.key == "" {
		return usage("--key FILE is the signer's private key", "cannot sign without a key")
	}
	expires, err := d.expires(a.env.Now())
	if err != nil {
		return err
	}
	if err := f.Free(role); err != nil {
		return explainFolder(err)
	}
	draft, err := make(expires)
	if err != nil {
		return fail(exitRefused, "", "%v", err)
	}
	standing, err := f.Draft(role, draft)
	if err != nil {
		return explainFolder(err)
	}
	signer, err := a.openKey(d.key)
	if err != nil {
		return err
	}
	if err := a.signStandings(f, d.yes, signer, standing); err != nil {
		return err
	}
	return a.printPending(f, role)
}

// signStandings shows what the metadata changes, asks once, and signs all of it.
func (a *app) signStandings(f *folder.Folder, yes bool, signer statement.Signer, all ...folder.Standing) error {
	signed := make([][]byte, len(all))
	for _, s := range all {
		if !s.Asks(signer.Public()) {
			return explainFolder(fmt.Errorf("cannot sign %s metadata with key %s: %w", s.Role, statement.KeyID(signer.Public())[:12], folder.ErrNotAsked))
		}
		a.note(changesText(f, s))
	}
	if err := a.consent(yes, fmt.Sprintf("Sign this with key %s?", show.Key(signer.Public(), f.View.Trust))); err != nil {
		return err
	}
	for i, s := range all {
		var err error
		if signed[i], err = s.Sign(signer); err != nil {
			return explainFolder(err)
		}
	}
	for i, s := range all {
		if err := f.Keep(s.Role, signed[i]); err != nil {
			return explainFolder(err)
		}
	}
	return nil
}

// changes lists what pending metadata says otherwise than the catalog.
func changes(f *folder.Folder, s folder.Standing) []string {
	last, _ := f.Current(s.Role) // a delegate's first metadata follows nothing
	if s.Role == folder.Root {
		return show.RootDifference(*last.Root, *s.Says().Root)
	}
	return show.TargetsDifference(last, s.Says())
}

func changesText(f *folder.Folder, s folder.Standing) string {
	last, _ := f.Current(s.Role)
	text := fmt.Sprintf("%s, version %d after %d:", s.Role, s.Version, last.Version)
	for _, line := range changes(f, s) {
		text += "\n  " + line
	}
	return text
}

// explainFolder gives the errors of an exported catalog their code and hint.
func explainFolder(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, folder.ErrDamaged):
		return fail(exitRefused, "take it from where it was made again", "%v", err)
	case errors.Is(err, folder.ErrPending):
		return fail(exitRefused, "sign and push it first, or take it back: hotstick catalog drop DIR ROLE", "%v", err)
	case errors.Is(err, folder.ErrOvertaken):
		return fail(exitRefused, "hotstick catalog drop DIR ROLE takes it back; then make it anew", "%v", err)
	case errors.Is(err, folder.ErrNotAsked):
		return fail(exitForbidden, "hotstick catalog show DIR says whose signatures are wanted", "%v", err)
	case errors.Is(err, folder.ErrSigned):
		return fail(exitRefused, "another key must sign: hotstick catalog show DIR", "%v", err)
	case errors.Is(err, folder.ErrNotPending):
		return fail(exitNotFound, "hotstick catalog show DIR lists what is", "%v", err)
	case errors.Is(err, catalog.ErrRefused):
		return fail(exitRefused, "", "%v", err)
	}
	return err
}

// signaturesText says how far pending metadata is, one line for each group of keys.
func signaturesText(s folder.Standing, trust hotstick.Trust) []string {
	if s.Overtaken {
		return []string{"overtaken: the catalog has gone on since; drop it and make it anew"}
	}
	var lines []string
	for _, n := range s.Needs {
		line := fmt.Sprintf("signed by %d of %d %s", len(n.Signed), n.Threshold, n.Who)
		if missing := n.Missing(); missing > 0 {
			line += fmt.Sprintf("; %d more of %s", missing, show.Keys(n.Open(), trust))
		}
		lines = append(lines, line)
	}
	return lines
}

// loadKeys reads public keys from files.
func loadKeys(files []string) ([]hotstick.TrustedKey, error) {
	var keys []hotstick.TrustedKey
	for _, file := range files {
		key, err := statement.LoadAnyPublic(file)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// keyIDs turns the names of keys to remove, FILE.pub or a key ID, into key IDs.
func keyIDs(names []string) ([]string, error) {
	var ids []string
	for _, name := range names {
		if !strings.HasSuffix(name, ".pub") {
			ids = append(ids, name)
			continue
		}
		key, err := statement.LoadAnyPublic(name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, statement.KeyID(key))
	}
	return ids, nil
}
