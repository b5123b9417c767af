package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/server"
)

// initFlags are what init was asked for.
type initFlags struct {
	data, keys, listen, url, domain string
	names, persons                  []string
	approvals                       int
}

func (a *app) initCommand() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make a server's data directory, the catalog, keys and a context",
		Long: `Makes everything that a first server needs:

  the data directory   authority, the server's online key, database, empty catalog
  the keys directory   root.pem and publisher.pem, which belong offline, one key
                       for each --person, and root.json to hand to all of them
  a context            so that this user's hotstick commands find the server

With one person alone the root says author_may_approve, and every screen then
says "single control". Nothing that exists is overwritten.`,
		Example: `  hotstick init --person ada --person grace --person edsger
  hotstick init --data /srv/hotstick --listen 0.0.0.0:8443 --url https://patch.example.com:8443`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.initialise(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.data, "data", "", "the server's data directory (default /var/lib/hotstick for root, else under XDG_DATA_HOME)")
	flags.StringVar(&f.keys, "keys", "", "where to put private keys (default keys beside the configuration file)")
	flags.StringVar(&f.listen, "listen", server.DefaultListen, "the address that the server will listen on")
	flags.StringVar(&f.url, "url", "", "how hosts and people reach the server, if not by --listen")
	flags.StringSliceVar(&f.names, "name", nil, "another host name or address for the server's certificate; may be repeated")
	flags.StringSliceVar(&f.persons, "person", nil, "a person who signs plans; may be repeated (default: you alone)")
	flags.IntVar(&f.approvals, "approvals", 0, "how many persons besides the author must sign a plan (default 2, or all but the author)")
	flags.StringVar(&f.domain, "domain", "", "the trust domain in certificates (default hotstick)")
	return cmd
}

// made is the answer of init.
type made struct {
	Data      string   `json:"data"`
	Keys      string   `json:"keys"`
	Config    string   `json:"config"`
	Context   string   `json:"context"`
	Server    string   `json:"server"`
	Root      string   `json:"root"`
	TokenFile string   `json:"token_file"`
	Persons   []string `json:"persons"`
	Approvals int      `json:"approvals"`
	// SingleControl: one person alone may author and approve.
	SingleControl bool `json:"single_control"`
}

func (a *app) initialise(ctx context.Context, f initFlags) error {
	if err := a.completeInit(&f); err != nil {
		return err
	}
	if err := a.nothingThere(f); err != nil {
		return err
	}
	m, err := a.makeServer(ctx, f)
	if err != nil {
		return err
	}
	return a.print(view{value: m, names: []string{m.Context}, text: func(show.Style) string { return m.text() }})
}

// completeInit fills in what was not said and refuses what cannot work.
func (a *app) completeInit(f *initFlags) error {
	var err error
	if f.data == "" {
		if f.data, err = defaultData(a.env.Getenv); err != nil {
			return err
		}
	}
	if f.keys == "" {
		_, config, err := a.configuration()
		if err != nil {
			return err
		}
		f.keys = filepath.Join(filepath.Dir(config), "keys")
	}
	for _, dir := range []*string{&f.data, &f.keys} {
		if *dir, err = filepath.Abs(*dir); err != nil {
			return fmt.Errorf("cannot use the directory: %w", err)
		}
	}
	if _, _, err := net.SplitHostPort(f.listen); err != nil {
		return usage("write HOST:PORT, such as 127.0.0.1:8443", "cannot listen on %q", f.listen)
	}
	if len(f.persons) == 0 {
		f.persons = []string{loginName(a.env.Getenv)}
	}
	return f.checkPersons()
}

func (f *initFlags) checkPersons() error {
	for i, p := range f.persons {
		switch {
		case identity.CheckPerson(hotstick.Person(p)) != nil || p == found.RootKey || p == found.PublisherKey:
			return usage("use lower-case letters, digits, dots and dashes; root and publisher are roles, not persons", "cannot use %q as a person", p)
		case slices.Contains(f.persons[:i], p):
			return usage("", "cannot have the person %q twice", p)
		}
	}
	others := len(f.persons) - 1
	switch {
	case f.approvals < 0 || others > 0 && f.approvals > others || others == 0 && f.approvals > 1:
		return usage("add a --person: the author never approves the own plan", "cannot ask for %d approvals of %d persons", f.approvals, len(f.persons))
	case f.approvals == 0:
		f.approvals = max(1, min(2, others))
	}
	return nil
}

// nothingThere makes sure, before anything is made, that nothing would have to
// be overwritten: a half-made directory helps nobody.
func (a *app) nothingThere(f initFlags) error {
	paths := []string{filepath.Join(f.data, "ca"), filepath.Join(f.data, configFile)}
	w := a.wish(f)
	for _, name := range w.Roles() {
		paths = append(paths, w.KeyFile(name))
	}
	for _, p := range append(paths, filepath.Join(f.keys, found.RootFile)) {
		if _, err := os.Lstat(p); err == nil {
			return fail(exitRefused, "choose another --data and --keys, or go on with the server that is there: hotstick server --data "+f.data,
				"cannot initialise: %s exists already", p)
		} else if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("cannot initialise: %w", err)
		}
	}
	file, _, err := a.configuration()
	if err != nil {
		return err
	}
	if _, taken := file.Get(a.contextName()); taken {
		return fail(exitRefused, "name another one with --context NAME", "cannot initialise: your configuration has a context %q already", a.contextName())
	}
	return nil
}

// contextName is the context that init writes.
func (a *app) contextName() string {
	if a.context != "" {
		return a.context
	}
	return "default"
}

// defaultData is the data directory where nothing else is said.
func defaultData(getenv func(string) string) (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/hotstick", nil
	}
	if dir := getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "hotstick"), nil
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "share", "hotstick"), nil
	}
	return "", usage("name it with --data DIR", "cannot tell where the data directory should be")
}

// loginName is whoever runs the program, as a person.
func loginName(getenv func(string) string) string {
	name := strings.ToLower(getenv("USER"))
	if identity.CheckPerson(hotstick.Person(name)) != nil || name == found.RootKey {
		return "admin"
	}
	return name
}

// text says what was made, where, and what to do next.
func (m made) text() string {
	control := fmt.Sprintf("%d of the persons besides the author must approve a plan", m.Approvals)
	if m.SingleControl {
		control = "single control: " + m.Persons[0] + " alone may author and approve"
	}
	return fmt.Sprintf(`Made:
  %s  the server's data: authority, online key, database, empty catalog
  %s  private keys: root.pem and publisher.pem belong offline; one for each person
  %s  what everybody who signs must be given: the catalog's root
  %s  the admin's token, also in your context %q
Persons: %s; %s.

Next:
  hotstick server --data %s
  hotstick host add                               the line that joins a host
  hotstick patch publish FOLDER --key %s --artifact FILE
`, m.Data, m.Keys, m.Root, m.TokenFile, m.Context, strings.Join(m.Persons, ", "), control, m.Data, filepath.Join(m.Keys, "publisher.pem"))
}
