package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/server"
)

// backedUp is the answer of server backup and restore.
type backedUp struct {
	File   string    `json:"file"`
	Data   string    `json:"data"`
	Leaves int64     `json:"leaves"`
	Epoch  uint64    `json:"epoch"`
	At     time.Time `json:"at"`
}

func (a *app) serverBackup() *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write everything that a server needs to go on into one file",
		Long: `Writes the database as it is at one moment, the authority, the keys, the catalog
and the configuration of a data directory into FILE, a tar archive with a signed
checkpoint of the audit log. The server may be running.

The backup holds the server's private keys. The file can be read by its owner
alone; with FILE - it goes to standard output, for a program that encrypts it.`,
		Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.backup(cmd.Context(), data, args[0]) },
	}
	cmd.Flags().StringVar(&data, "data", "", "the server's data directory (default /var/lib/hotstick for root, else under XDG_DATA_HOME)")
	return cmd
}

func (a *app) backup(ctx context.Context, data, path string) (err error) {
	if data, err = a.dataDir(data); err != nil {
		return err
	}
	var c audit.Checkpoint
	if path == "-" {
		c, err = server.Backup(ctx, data, a.env.Stdout, a.env.Now())
		return err
	}
	temp, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("cannot write the backup: %w", err)
	}
	c, err = server.Backup(ctx, data, temp, a.env.Now())
	if err = errors.Join(err, temp.Sync(), temp.Close()); err == nil {
		failpoint.Here(failpoint.BackupRenameBefore)
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return a.printBackup(backedUp{File: path, Data: data, Leaves: c.Size, Epoch: c.Epoch, At: c.At},
		fmt.Sprintf("%s holds the server's private keys: keep it as you keep them.", path))
}

func (a *app) printBackup(b backedUp, note string) error {
	a.note(note)
	return a.print(view{value: b, names: []string{b.File}, text: func(show.Style) string {
		return fmt.Sprintf("%s: %d leaves of the audit log, epoch %d, as of %s.\n", b.File, b.Leaves, b.Epoch, b.At.Format(time.RFC3339))
	}})
}

// dataDir is the data directory that was named, or the usual one. Opening what is
// not there would make it.
func (a *app) dataDir(named string) (string, error) {
	if named == "" {
		var err error
		if named, err = defaultData(a.env.Getenv); err != nil {
			return "", err
		}
	}
	if _, err := os.Stat(filepath.Join(named, "ca")); err != nil {
		return "", fail(exitFailed, "name the server's data directory with --data, or make one with hotstick init", "cannot find a server in %s: %v", named, err)
	}
	return named, nil
}

// restoring are the flags of server restore.
type restoring struct {
	data, admin string
	newKeys     bool
}

func (a *app) serverRestore() *cobra.Command {
	var r restoring
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a data directory from a backup",
		Long: `Makes an empty or missing data directory from what hotstick server backup wrote.
A backup that was cut off or changed is refused, and so is one whose audit log is
not that of its checkpoint. FILE - is standard input.

What happened after the backup is lost to the server, and hosts may know better. So
a restored server grants nothing until hotstick server reconcile.

With --new-keys the server's keys are others than those in the backup, because
somebody else has these: online key, certificate authority, and every token and
password but the admin's new token in admin.token. Hosts come back once the catalog's
root names the key in keys/online.pub, in the place of keys/stolen.pub and in a
higher epoch. See docs/how-to/server-was-stolen.md.`,
		Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.restore(cmd.Context(), r, args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVar(&r.data, "data", "", "the data directory to make (default /var/lib/hotstick for root, else under XDG_DATA_HOME)")
	flags.BoolVar(&r.newKeys, "new-keys", false, "somebody else has the server's keys: make others, and take every token back")
	flags.StringVar(&r.admin, "admin", "", "with --new-keys: whom the one token speaks for that is good afterwards")
	return cmd
}

func (a *app) restore(ctx context.Context, r restoring, path string) (err error) {
	switch {
	case r.newKeys != (r.admin != ""):
		return usage("--new-keys --admin NAME: after it nobody has a token but NAME", "cannot use one of --new-keys and --admin without the other")
	case r.newKeys && identity.CheckPerson(hotstick.Person(r.admin)) != nil:
		return usage("--admin NAME, in lower-case letters, digits, dots and dashes", "cannot make a token for %q", r.admin)
	}
	if r.data == "" {
		if r.data, err = defaultData(a.env.Getenv); err != nil {
			return err
		}
	}
	var in io.Reader = a.env.Stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("cannot read the backup: %w", err)
		}
		defer file.Close()
		in = file
	}
	if r.newKeys {
		return a.restoreRekeyed(ctx, r, path, in)
	}
	c, err := server.Restore(ctx, r.data, in, a.env.Now)
	if err != nil {
		return err
	}
	return a.printBackup(backedUp{File: path, Data: r.data, Leaves: c.Size, Epoch: c.Epoch, At: c.At},
		"Restored "+r.data+". The server grants nothing until hosts were heard and you run: hotstick server reconcile --reason TEXT")
}

// restoreRekeyed restores a server whose keys somebody else has.
func (a *app) restoreRekeyed(ctx context.Context, r restoring, path string, in io.Reader) error {
	c, made, err := server.RestoreRekeyed(ctx, r.data, in, hotstick.Person(r.admin), a.env.Now)
	if err != nil {
		return err
	}
	if err := found.NewFile(filepath.Join(r.data, tokenFile), []byte(made.AdminToken), 0o600); err != nil {
		return err
	}
	return a.printBackup(backedUp{File: path, Data: r.data, Leaves: c.Size, Epoch: c.Epoch, At: c.At},
		fmt.Sprintf(`Restored %s with keys of its own; %d tokens and sessions were taken back.
The token of %s is in %s, the authority for clients in %s.
Hosts come back once the catalog's root says so, in epoch %d or higher:
  hotstick catalog root DIR --add-online %s --remove-online %s --epoch %d --key FILE`,
			r.data, made.Tokens, r.admin, filepath.Join(r.data, tokenFile), filepath.Join(r.data, "ca", "ca.pem"), c.Epoch+1, made.Online, made.Stolen, c.Epoch+1))
}

func (a *app) serverReconcile() *cobra.Command {
	var req api.ReconcileRequest
	cmd := &cobra.Command{
		Use:   "reconcile --reason TEXT",
		Short: "Allow starts again after the server's database was put back",
		Long: `A server that was restored, or that a host holds a later checkpoint of, grants
nothing. Reconciling takes in what hosts know better: bans that they hold are the
server's again, and rollouts that were open in the older database are halted for
good, for nobody knows what became of them. New ones may continue them.

It is refused until every host has checked in since; --accept-silent goes on
without what the others know.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				done, err := c.Reconcile(ctx, req)
				if err != nil {
					return err
				}
				return a.print(view{value: done, text: func(show.Style) string { return reconciledText(done) }})
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Reason, "reason", "", "why, for the audit log")
	flags.BoolVar(&req.AcceptSilent, "accept-silent", false, "go on without hosts that were not heard since")
	return cmd
}

func reconciledText(r api.ReconcileResult) string {
	text := "Starts are allowed again.\n"
	for _, id := range r.Halted {
		text += fmt.Sprintf("halted %s, which was open in the older database\n", id.Short())
	}
	for _, p := range r.Banned {
		text += fmt.Sprintf("banned %s again, as a host has it\n", show.Escape(p.String()))
	}
	for _, h := range r.Ahead {
		text += fmt.Sprintf("host %s knows a plan that the server does not\n", h)
	}
	for _, h := range r.Silent {
		text += fmt.Sprintf("host %s was not heard\n", h)
	}
	return text
}
