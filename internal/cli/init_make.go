package cli

import (
	"context"
	"path/filepath"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/cli/settings"
)

// tokenFile holds the first admin's token in the data directory.
const tokenFile = "admin.token"

// wish is what init asks to be made.
func (a *app) wish(f initFlags) found.Wish {
	return found.Wish{Data: f.data, Keys: f.keys, Persons: f.persons, Approvals: f.approvals, Domain: f.domain,
		Admin: hotstick.Person(f.persons[0]), Now: a.env.Now()}
}

// makeServer makes everything, and the context last: a context that leads nowhere
// helps nobody.
func (a *app) makeServer(ctx context.Context, f initFlags) (made, error) {
	w := a.wish(f)
	first, err := found.Found(ctx, w)
	if err != nil {
		return made{}, err
	}
	m := made{Data: f.data, Keys: f.keys, Context: a.contextName(), Server: f.address(), Persons: f.persons, Approvals: f.approvals,
		SingleControl: w.Single(), Root: first.RootFile, TokenFile: filepath.Join(f.data, tokenFile)}
	if err := found.NewFile(m.TokenFile, []byte(first.AdminToken), 0o600); err != nil {
		return m, err
	}
	if err := saveServerConfig(f.data, serverConfig{Listen: f.listen, URL: f.url, Names: f.names}); err != nil {
		return m, err
	}
	file, path, err := a.configuration()
	if err != nil {
		return m, err
	}
	m.Config = path
	file.Put(settings.Context{Name: m.Context, Server: m.Server, CA: first.CAFile, Token: first.AdminToken, Root: m.Root})
	return m, settings.Save(path, file)
}

// address is how this machine reaches the server.
func (f initFlags) address() string {
	if f.url != "" {
		return f.url
	}
	return "https://" + dialable(f.listen)
}
