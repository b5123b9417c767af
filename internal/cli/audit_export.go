package cli

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/durable"
)

// Files of an export.
const (
	exportLeaves     = "leaves.jsonl"
	exportCheckpoint = "checkpoint"
	exportKeys       = "keys"
)

// auditExported is the answer of audit export.
type auditExported struct {
	Dir    string `json:"dir"`
	Leaves int64  `json:"leaves"`
	Added  int64  `json:"added"`
}

func (a *app) auditExport() *cobra.Command {
	return &cobra.Command{
		Use:   "export DIR",
		Short: "Copy the audit log into a directory, or go on with an export there",
		Long: `Writes the audit log into DIR: leaves.jsonl with one leaf a line, exactly the bytes
that the log commits to; checkpoint, the signed note over them; and keys, the
log's keys in the form of note verifiers.

An export that was cut off, or an older one, is gone on with: what is there is
verified and only the rest is fetched. Verify an export with hotstick audit verify
--from DIR, on any machine.`,
		Args: exactly("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *client.Client) error { return a.export(ctx, c, args[0]) })
		},
	}
}

func (a *app) export(ctx context.Context, c *client.Client, dir string) error {
	seen, err := a.follow(ctx, c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot write the export: %w", err)
	}
	out, err := openExport(dir)
	if err != nil {
		return err
	}
	defer out.file.Close()
	before := out.size
	if before > seen.Size {
		return fail(exitRefused, disputedHint, "cannot go on with the export in %s: it has %d leaves, and the server shows %d", dir, before, seen.Size)
	}
	if err := out.fetch(ctx, &remoteLog{ctx: ctx, client: c, progress: a.progress("exported", seen.Size)}, seen.Size); err != nil {
		return explainFault(err)
	}
	if out.tree.Head() != seen.Head {
		return fail(exitRefused, disputedHint, "cannot trust the export in %s: its leaves are not those that the server signed", dir)
	}
	var keys []string
	for _, key := range seen.trust.ServerKeys {
		text, err := audit.VerifierKey(ed25519.PublicKey(key))
		if err != nil {
			return err
		}
		keys = append(keys, text)
	}
	if err := errors.Join(durable.Replace(dir, exportKeys, 0o600, []byte(strings.Join(keys, "\n")+"\n")),
		durable.Replace(dir, exportCheckpoint, 0o600, seen.note)); err != nil {
		return err
	}
	done := auditExported{Dir: dir, Leaves: seen.Size, Added: seen.Size - before}
	return a.print(view{value: done, names: []string{dir}, text: func(show.Style) string {
		return fmt.Sprintf("%s has %d leaves, %d of them new.\n", dir, done.Leaves, done.Added)
	}})
}

// exporting is an export on its way: whole lines, and the tree over them.
type exporting struct {
	file *os.File
	tree audit.Tree
	size int64
}

// openExport opens an export, verifies it against its own checkpoint, and cuts off
// a line that is not whole.
func openExport(dir string) (*exporting, error) {
	file, err := os.OpenFile(filepath.Join(dir, exportLeaves), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot write the export: %w", err)
	}
	e := &exporting{file: file}
	end := int64(0)
	for leaf, err := range readLeaves(file, false) {
		if err == nil {
			var seq int64
			if seq, err = audit.Seq(leaf); err == nil && seq != e.size {
				err = fmt.Errorf("it has leaf %d where leaf %d belongs", seq, e.size)
			}
		}
		if err != nil {
			file.Close()
			return nil, fail(exitRefused, "export into another directory, and compare", "cannot go on with the export in %s: %v", dir, err)
		}
		e.tree.Add(leaf)
		e.size, end = e.size+1, end+int64(len(leaf))+1
	}
	err = file.Truncate(end)
	if err == nil {
		_, err = file.Seek(end, io.SeekStart)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot go on with the export: %w", err)
	}
	return e, nil
}

// fetch appends leaves until there are size, and syncs them.
func (e *exporting) fetch(ctx context.Context, log *remoteLog, size int64) error {
	w := bufio.NewWriterSize(e.file, 1<<20)
	for ; e.size < size; e.size++ {
		leaf, err := log.Leaf(e.size)
		if err != nil {
			return errors.Join(err, w.Flush())
		}
		if seq, err := audit.Seq(leaf); err != nil || seq != e.size {
			return errors.Join(fail(exitRefused, disputedHint, "cannot export leaf %d: the server shows something else in its place", e.size), w.Flush())
		}
		e.tree.Add(leaf)
		if _, err := w.Write(append(leaf, '\n')); err != nil {
			return fmt.Errorf("cannot write the export: %w", err)
		}
	}
	if err := errors.Join(w.Flush(), e.file.Sync()); err != nil {
		return fmt.Errorf("cannot write the export: %w", err)
	}
	return ctx.Err()
}

// readLeaves reads leaves, one a line. Where whole is not set, a last line without
// an end is left out: somebody was cut off in the middle of it.
func readLeaves(r io.Reader, whole bool) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		in := bufio.NewReaderSize(r, 1<<20)
		for {
			line, err := readLine(in)
			switch {
			case errors.Is(err, io.EOF) && len(line) == 0, errors.Is(err, io.EOF) && !whole:
				return
			case errors.Is(err, io.EOF):
				yield(nil, errors.New("the file ends in the middle of it"))
				return
			case err != nil:
				yield(nil, err)
				return
			}
			if !yield(line[:len(line)-1], nil) {
				return
			}
		}
	}
}

// readLine reads a line with its end, and no more than a leaf may have.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > audit.MaxLeafBytes+1 {
			return nil, errors.New("it is longer than a leaf can be")
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// verifyExport verifies an export without a server.
func (a *app) verifyExport(dir, keyFile string, more []string) error {
	if keyFile == "" {
		keyFile = filepath.Join(dir, exportKeys)
		a.note("warning: trusting the export's own keys; name those that you were given with --keys")
	}
	keys, err := readKeys(keyFile)
	if err != nil {
		return err
	}
	newest, err := readCheckpoint(filepath.Join(dir, exportCheckpoint), keys)
	if err != nil {
		return err
	}
	heads := []audit.Head{newest.Head}
	for _, path := range more {
		c, err := readCheckpoint(path, keys)
		if err != nil {
			return err
		}
		if c.Epoch != newest.Epoch {
			return fail(exitRefused, "a new epoch may begin a log anew", "cannot compare with %s: it is of epoch %d, and the export of epoch %d", path, c.Epoch, newest.Epoch)
		}
		if c.Size > newest.Size {
			return fail(exitRefused, disputedHint, "cannot trust the audit log: %s was signed over %d leaves, and the export has %d", path, c.Size, newest.Size)
		}
		heads = append(heads, c.Head)
	}
	file, err := os.Open(filepath.Join(dir, exportLeaves))
	if err != nil {
		return fmt.Errorf("cannot read the export: %w", err)
	}
	defer file.Close()
	if err := audit.Verify(readLeaves(file, true), heads...); err != nil {
		return explainExport(err)
	}
	return a.printVerified(newest, true, len(heads))
}

// explainExport: whatever cannot be read of an export is a fault of it.
func explainExport(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return err
	}
	return fail(exitRefused, disputedHint, "%v", err)
}

// readKeys reads the log's keys, one verifier a line.
func readKeys(path string) ([]hotstick.TrustedKey, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the log's keys: %w", err)
	}
	var keys []hotstick.TrustedKey
	for _, line := range lines(data) {
		key, err := audit.ParseVerifierKey(line)
		if err != nil {
			return nil, fail(exitUsage, "one line for each key, as audit export writes them", "%v", err)
		}
		keys = append(keys, hotstick.TrustedKey(key))
	}
	if len(keys) == 0 {
		return nil, fail(exitUsage, "one line for each key, as audit export writes them", "cannot verify without a key: %s has none", path)
	}
	return slices.Clip(keys), nil
}

// readCheckpoint reads a kept checkpoint and verifies it by the keys, whatever its
// epoch.
func readCheckpoint(path string, keys []hotstick.TrustedKey) (audit.Checkpoint, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return audit.Checkpoint{}, fmt.Errorf("cannot read the checkpoint: %w", err)
	}
	c, err := audit.ParseCheckpoint(data)
	if err == nil {
		c, err = audit.OpenCheckpoint(data, hotstick.Trust{Epoch: c.Epoch, ServerKeys: keys})
	}
	if errors.Is(err, audit.ErrUnsigned) {
		return c, fail(exitRefused, "the log's keys are in the export's file keys, or come from the catalog's root", "cannot use %s: none of these keys has signed it", path)
	}
	if err != nil {
		return c, fail(exitRefused, "", "cannot use %s: %v", path, err)
	}
	return c, nil
}
