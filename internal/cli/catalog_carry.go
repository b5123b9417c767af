package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/folder"
	"github.com/hotstick/hotstick/internal/cli/show"
)

func (a *app) catalogExport() *cobra.Command {
	return &cobra.Command{
		Use:   "export DIR",
		Short: "Fetch what signing needs into a directory, to be carried to the keys",
		Long: `Fetches all roots, the targets metadata and that of delegates from the server,
verifies them from the root that you were given, and keeps them in DIR. Again, it
brings DIR up to date; what is pending there stays.`,
		Args: exactly("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fitForExport(args[0]); err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				if err := os.MkdirAll(args[0], 0o700); err != nil {
					return fmt.Errorf("cannot make the directory: %w", err)
				}
				if err := locked(args[0], func() error { return a.exportCatalog(ctx, c, args[0]) }); err != nil {
					return err
				}
				a.note("Carry it to the keys: hotstick catalog show " + show.Escape(args[0]))
				return nil
			})
		},
	}
}

// fitForExport refuses a directory that holds something else.
func fitForExport(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot use the directory: %w", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".root.json") {
			return nil
		}
	}
	if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() != ".lock" }) {
		return fail(exitRefused, "choose another directory", "cannot export to %s: it holds something that is no catalog", dir)
	}
	return nil
}

// exportCatalog brings a directory to where the server's catalog is, by way of this
// person's own verified copy, which never goes back. What has expired is exported
// too, since it must be signed anew.
func (a *app) exportCatalog(ctx context.Context, c *client.Client, dir string) error {
	chosen, err := a.settings()
	if err != nil {
		return err
	}
	files, unlock, err := a.catalogFiles(ctx, chosen, c)
	if err != nil {
		return err
	}
	defer unlock()
	_, err = files.Refresh(ctx, a.env.Now())
	if errors.Is(err, catalog.ErrExpired) {
		a.note(fmt.Sprintf("warning: %v; renew it: hotstick catalog renew", err))
		_, err = files.RefreshEnded(ctx)
	}
	if err == nil {
		var copied *catalog.Client
		if copied, err = files.Copy(dir); err == nil {
			_, err = copied.RefreshEnded(ctx)
		}
	}
	if errors.Is(err, catalog.ErrRefused) || errors.Is(err, catalog.ErrExpired) {
		return fail(exitRefused, "the server's catalog does not follow from the root that you were given; ask its owner before you sign anything", "cannot use the catalog: %v", err)
	}
	return err
}

func (a *app) catalogImport() *cobra.Command {
	return &cobra.Command{
		Use:   "import DIR FROM",
		Short: "Take what is pending in another copy of DIR, or its signatures",
		Long: `FROM is another copy of an exported catalog, or one file of its pending directory.
What is pending there becomes pending in DIR; where both have the same, the
signatures come together. So two people may sign two copies at the same time.`,
		Args: exactly("DIR", "FROM"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.inFolder(args[0], func(f *folder.Folder) error { return a.takeFrom(f, args[1]) })
		},
	}
}

func (a *app) takeFrom(f *folder.Folder, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return fail(exitNotFound, "FROM is another copy of an exported catalog", "cannot import: %v", err)
	}
	files := map[string]string{strings.TrimSuffix(filepath.Base(from), ".json"): from}
	if info.IsDir() {
		if files, err = folder.PendingFiles(from); err != nil {
			return err
		}
	}
	if len(files) == 0 {
		return fail(exitNotFound, "hotstick catalog show lists what is pending", "cannot import from %s: nothing is pending there", from)
	}
	var taken []string
	for _, role := range slices.SortedFunc(maps.Keys(files), folder.Compare) {
		data, err := folder.ReadFile(files[role])
		if err != nil {
			return err
		}
		fresh, err := f.Take(role, data)
		if err != nil {
			return explainFolder(err)
		}
		if info.IsDir() {
			if err := takeArtifacts(f, role, from); err != nil {
				return err
			}
		}
		if !fresh {
			a.note(show.Clean(role) + ": nothing new")
		}
		taken = append(taken, role)
	}
	return a.printPending(f, taken...)
}

// takeArtifacts copies what pending metadata brings from where it was taken.
func takeArtifacts(f *folder.Folder, role, from string) error {
	for _, artifact := range f.NewArtifacts(role) {
		data, err := folder.Artifact(from, artifact)
		if err != nil {
			return explainFolder(err)
		}
		if err := f.KeepArtifact(artifact.Digest, data); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) catalogPush() *cobra.Command {
	return &cobra.Command{
		Use:   "push DIR",
		Short: "Hand in what enough people have signed",
		Args:  exactly("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				return locked(args[0], func() error { return a.push(ctx, c, args[0]) })
			})
		},
	}
}

// push hands in what is ready. A push whose answer was lost is found out the next
// time: what the server has already is only taken off the list.
func (a *app) push(ctx context.Context, c *client.Client, dir string) error {
	f, done, err := a.update(ctx, c, dir)
	if err != nil {
		return err
	}
	ready, err := f.Ready()
	if err != nil {
		return explainFolder(err)
	}
	for _, s := range ready.Waiting {
		a.note("not pushed: " + strings.TrimSpace(pendingText(pendingRole{Role: s.Role, Version: s.Version, standing: s}, f.View.Trust)))
	}
	for _, role := range ready.Roles {
		if s, err := f.Standing(role); err != nil || s.Overtaken {
			return explainFolder(errors.Join(err, fmt.Errorf("cannot push %s metadata of version %d: %w", role, s.Version, folder.ErrOvertaken)))
		}
	}
	if len(ready.Roles) == 0 && len(done) == 0 {
		return fail(exitRefused, "hotstick catalog show DIR says what is pending and who is still missing", "cannot push: nothing in %s has all its signatures", dir)
	}
	for _, role := range ready.Roles {
		for _, artifact := range f.NewArtifacts(role) {
			data, err := folder.Artifact(dir, artifact)
			if err != nil {
				return explainFolder(err)
			}
			if err := c.UploadArtifact(ctx, artifact.Digest, data); err != nil {
				return err
			}
		}
	}
	if err := handIn(ctx, c, ready); err != nil {
		return err
	}
	_, pushed, err := a.update(ctx, c, dir)
	if err != nil {
		return err
	}
	done = append(done, pushed...)
	return a.print(view{value: done, names: done, text: func(show.Style) string { return "pushed " + strings.Join(done, ", ") + "\n" }})
}

// update brings an exported catalog to where the server is, and takes off its list
// what the server has.
func (a *app) update(ctx context.Context, c *client.Client, dir string) (*folder.Folder, []string, error) {
	if err := a.exportCatalog(ctx, c, dir); err != nil {
		return nil, nil, err
	}
	f, _, err := a.readFolder(dir)
	if err != nil {
		return nil, nil, err
	}
	done, err := f.Settle()
	return f, done, err
}

func handIn(ctx context.Context, c *client.Client, ready folder.Ready) error {
	if ready.Root != nil {
		if _, err := c.Root(ctx, api.RootRequest{Root: ready.Root, Targets: ready.RootTargets}); err != nil {
			return err
		}
	}
	if ready.Targets == nil && len(ready.Delegated) == 0 {
		return nil
	}
	delegated := map[string]json.RawMessage{}
	for name, data := range ready.Delegated {
		delegated[name] = data
	}
	_, err := c.Publish(ctx, api.PublishRequest{Targets: ready.Targets, Delegated: delegated})
	return err
}
