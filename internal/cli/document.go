package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/statement"
)

// signing is a statement other than a plan on its way to a file: what people sign
// in turn until enough of them have.
type signing struct {
	key, out string
	yes      bool
}

func (s *signing) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.key, "key", "", "the signer's "+keyUsage)
	cmd.Flags().BoolVarP(&s.yes, "yes", "y", false, "sign without asking")
}

func (s *signing) outFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.out, "out", "", "write the signed statement to this new file instead of standard output")
}

// signer loads the key and finds out whose it is.
func (a *app) signer(ctx context.Context, c *client.Client, key string) (statement.Signer, hotstick.Person, hotstick.Trust, error) {
	if key == "" {
		return nil, "", hotstick.Trust{}, usage("--key FILE is the signer's private key", "cannot sign without a key")
	}
	signer, err := a.openKey(key)
	if err != nil {
		return nil, "", hotstick.Trust{}, err
	}
	view, _, err := a.verified(ctx, c)
	if err != nil {
		return nil, "", hotstick.Trust{}, err
	}
	person, known := statement.PersonOf(view.Trust, signer.Public())
	if !known {
		return nil, "", hotstick.Trust{}, fail(exitForbidden, "the persons and their keys are in the catalog's root", "cannot sign with %s: the catalog's root binds this key to nobody", key)
	}
	return signer, person, view.Trust, nil
}

// sign shows a statement, asks, signs it and writes it.
func (a *app) sign(s signing, person hotstick.Person, text string, make func() ([]byte, error)) error {
	a.note(text)
	if err := a.consent(s.yes, fmt.Sprintf("Sign this as %s?", person)); err != nil {
		return err
	}
	raw, err := make()
	if err != nil {
		return err
	}
	if s.out == "" {
		_, err = fmt.Fprintf(a.env.Stdout, "%s\n", raw)
		return err
	}
	if err := found.NewFile(s.out, append(raw, '\n'), 0o644); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fail(exitRefused, "choose another file", "cannot write %s: there is a file of that name", s.out)
		}
		return err
	}
	a.note("wrote " + show.Escape(s.out))
	return nil
}

// addSignature adds a signature to the statement in a file, in place.
func (a *app) addSignature(s signing, file string, person hotstick.Person, text string, raw []byte, signer statement.Signer) error {
	a.note(text)
	if err := a.consent(s.yes, fmt.Sprintf("Sign this as %s?", person)); err != nil {
		return err
	}
	signed, err := statement.AddSignature(raw, signer)
	if err != nil {
		return err
	}
	if err := durable.Replace(filepath.Dir(file), filepath.Base(file), 0o644, append(signed, '\n')); err != nil {
		return err
	}
	a.note("signed " + show.Escape(file) + " as " + show.Clean(string(person)))
	return nil
}

// readDocument reads a file that a person names, up to a limit.
func readDocument(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the document: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the document: %w", err)
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("cannot read %s: it has more than %d bytes", file, limit)
	}
	return raw, nil
}

// readSigned reads a statement that somebody signed, and what it says, unverified.
func readSigned[T any](file, kind string, parse func([]byte) (T, error)) (raw []byte, said T, err error) {
	if raw, err = readDocument(file, statement.MaxBytes); err != nil {
		return nil, said, err
	}
	raw = bytes.TrimSpace(raw)
	if said, err = parse(raw); err != nil {
		return nil, said, fail(exitUsage, "hotstick "+kind+" make writes one", "cannot read %s: it is not a signed %s", file, kind)
	}
	return raw, said, nil
}

// countersign makes the command that adds one's signature to a statement; text is
// what its signer reads before.
func countersign[T any](a *app, what string, read func(file string) ([]byte, T, error), text func(T, hotstick.Trust) string) *cobra.Command {
	var s signing
	cmd := &cobra.Command{
		Use:   "sign FILE --key FILE",
		Short: "Add your signature to " + what,
		Args:  exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				raw, said, err := read(args[0])
				if err != nil {
					return err
				}
				signer, person, trust, err := a.signer(ctx, c, s.key)
				if err != nil {
					return err
				}
				return a.addSignature(s, args[0], person, text(said, trust), raw, signer)
			})
		},
	}
	s.flags(cmd)
	return cmd
}
