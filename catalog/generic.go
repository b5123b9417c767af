package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/hotstick/hotstick"
)

// Generic is a client for any TUF repository, such as those of the conformance
// suite. It runs the same workflow as [Client], without what this package refuses
// beyond TUF: no catalog, no floor of time, any of TUF's key types. Hosts never
// use it. It is not safe for concurrent use.
type Generic struct {
	dir    string
	source Fetcher
	work   *workflow
}

// flat is the shelf of a generic client: each file is kept as soon as it is
// verified, under its role's name without a version.
type flat struct{ disk disk }

func (f flat) name(role string) string { return url.PathEscape(role) + ".json" }

func (f flat) kept(role string) []byte {
	data, err := f.disk.read(f.name(role), MaxTargetsBytes)
	if err != nil {
		return nil
	}
	return data
}

func (f flat) keep(role string, _ int64, data []byte) error { return f.disk.write(f.name(role), data) }

// InitGeneric puts the root from which trust starts into a state directory, which
// must exist.
func InitGeneric(dir string, root []byte) error {
	if _, err := trustRoot(generic, root, time.Time{}); err != nil {
		return err
	}
	return flat{disk{dir: dir}}.keep(roleRoot, 0, root)
}

// NewGeneric opens a client on a state directory that [InitGeneric] has prepared.
func NewGeneric(dir string, source Fetcher) *Generic { return &Generic{dir: dir, source: source} }

// Refresh brings root, timestamp, snapshot and targets up to date.
func (g *Generic) Refresh(ctx context.Context, now time.Time) error {
	shelf := flat{disk{dir: g.dir}}
	if err := shelf.disk.clean(); err != nil {
		return err
	}
	root, err := shelf.disk.read(shelf.name(roleRoot), MaxRootBytes)
	if err != nil {
		return err
	}
	t, err := trustRoot(generic, root, now)
	if err != nil {
		return err
	}
	g.work = &workflow{trusted: t, shelf: shelf, source: g.source}
	return g.work.refresh(ctx)
}

// Download finds a target in the refreshed metadata, and leaves its verified bytes
// in a directory. It returns the file's path, and asks the source only if the
// file is not there yet.
func (g *Generic) Download(ctx context.Context, target string, source Fetcher, dir string) (string, error) {
	file, err := g.find(ctx, target)
	if err != nil {
		return "", err
	}
	if file.Length > hotstick.MaxArtifactBytes {
		return "", refused("%.80q of %d bytes: the limit is %d", target, file.Length, hotstick.MaxArtifactBytes)
	}
	out := disk{dir: dir}
	name := "target-" + url.PathEscape(target)
	if data, err := out.read(name, file.Length); err == nil && file.VerifyLengthHashes(data) == nil {
		return out.path(name), nil
	}
	remote, err := g.remoteName(target, file)
	if err != nil {
		return "", err
	}
	data, err := fetchAtMost(ctx, source, remote, file.Length)
	if err != nil {
		return "", err
	}
	if err := file.VerifyLengthHashes(data); err != nil {
		return "", refused("%.80q: %v", target, err)
	}
	return out.path(name), out.write(name, data)
}

// remoteName returns the name under which the source has a target, escaped.
func (g *Generic) remoteName(target string, file *metadata.TargetFiles) (string, error) {
	parts := strings.Split(target, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	if !g.work.root.ConsistentSnapshot {
		return strings.Join(parts, "/"), nil
	}
	for _, algorithm := range []string{"sha256", "sha512"} {
		if sum, ok := file.Hashes[algorithm]; ok {
			parts[len(parts)-1] = hex.EncodeToString(sum) + "." + parts[len(parts)-1]
			return strings.Join(parts, "/"), nil
		}
	}
	return "", refused("%.80q has no digest that this version knows", target)
}

// find walks the delegations as TUF says (section 5.6.7): depth first, in the order
// of each delegator, every role once, and not beyond a terminating one.
func (g *Generic) find(ctx context.Context, target string) (*metadata.TargetFiles, error) {
	if g.work == nil {
		return nil, errors.New("cannot find a target before a refresh")
	}
	type step struct{ role, parent string }
	open := []step{{roleTargets, roleRoot}}
	visited := map[string]bool{}
	for len(open) > 0 {
		s := open[len(open)-1]
		open = open[:len(open)-1]
		if visited[s.role] {
			continue
		}
		if len(visited) == maxDelegationsVisited {
			return nil, refused("%.80q is not found in the first %d roles", target, maxDelegationsVisited)
		}
		visited[s.role] = true
		if s.role != roleTargets {
			if err := g.work.followTargets(ctx, s.role, s.parent); err != nil {
				return nil, err
			}
		}
		signed := g.work.tuf.Targets[s.role].Signed
		if file, ok := signed.Targets[target]; ok {
			return file, nil
		}
		next := delegatesFor(signed.Delegations, target)
		for i, d := range next {
			if d.terminating {
				open, next = nil, next[:i+1]
				break
			}
		}
		for i := len(next) - 1; i >= 0; i-- {
			open = append(open, step{next[i].name, s.role})
		}
	}
	return nil, fmt.Errorf("cannot find %.80q: no role lists it", target)
}

func sha256Hex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// succinctBin returns the bin of a path's digest among 2^bits, in hexadecimal and
// as long as the last bin's.
func succinctBin(sum string, bits int) string {
	first, _ := strconv.ParseUint(sum[:8], 16, 32)
	last := strconv.FormatUint(1<<bits-1, 16)
	return fmt.Sprintf("%0*x", len(last), first>>(32-bits))
}
