// Package settings is the command line's own configuration: which servers there
// are and how to speak with them, as named contexts.
//
//	apiVersion: hotstick/v1
//	kind: Config
//	current: default
//	contexts:
//	  - name: default
//	    server: https://127.0.0.1:8443
//	    ca: /var/lib/hotstick/ca.pem
//	    token: hs_api_…
//
// The file lives at $XDG_CONFIG_HOME/hotstick/config.yaml, holds tokens, and is
// written with mode 0600. HOTSTICK_SERVER, HOTSTICK_TOKEN and HOTSTICK_CA win
// over the chosen context; HOTSTICK_CONTEXT chooses one.
package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"

	"github.com/hotstick/hotstick/internal/cli/strict"
)

const (
	apiVersion = "hotstick/v1"
	kind       = "Config"
	maxBytes   = 1 << 20
)

// File is the whole file.
type File struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	// Current names the context that is used if none is asked for.
	Current  string    `yaml:"current,omitempty"`
	Contexts []Context `yaml:"contexts"`
}

// Context is one server and the credential for it.
type Context struct {
	Name string `yaml:"name"`
	// Server is the base URL, such as https://127.0.0.1:8443.
	Server string `yaml:"server"`
	// CA is a PEM file with the server's authority; empty trusts the system's.
	CA    string `yaml:"ca,omitempty"`
	Token string `yaml:"token,omitempty"`
	// Root is the catalog's first root metadata, as it was handed to this person
	// out of band. Approvals are checked against the persons it leads to, not
	// against what the server says.
	Root string `yaml:"root,omitempty"`
}

// Errors that the command line gives its own hint for.
var (
	// ErrNoServer: no context and no HOTSTICK_SERVER.
	ErrNoServer = errors.New("cannot tell which server to speak with")
	// ErrNoContext: the context that was asked for is not in the file.
	ErrNoContext = errors.New("cannot find the context")
)

// Path returns where the file is; getenv is os.Getenv.
func Path(getenv func(string) string) (string, error) {
	if p := getenv("HOTSTICK_CONFIG"); p != "" {
		return p, nil
	}
	if dir := getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "hotstick", "config.yaml"), nil
	}
	home := getenv("HOME")
	if home == "" {
		return "", errors.New("cannot tell where the configuration is: neither XDG_CONFIG_HOME nor HOME is set")
	}
	return filepath.Join(home, ".config", "hotstick", "config.yaml"), nil
}

// Load reads the file strictly. A file that does not exist is an empty one.
func Load(path string) (File, error) {
	empty := File{APIVersion: apiVersion, Kind: kind}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return File{}, fmt.Errorf("cannot read the configuration: %w", err)
	}
	var f File
	if err := strict.Decode(raw, maxBytes, &f); err != nil {
		return File{}, fmt.Errorf("cannot use %s: %w", path, err)
	}
	if f.APIVersion != apiVersion || f.Kind != kind {
		return File{}, fmt.Errorf("cannot use %s: want apiVersion %s and kind %s", path, apiVersion, kind)
	}
	return f, nil
}

// Save replaces the file as a whole, readable by its owner only.
func Save(path string, f File) error {
	raw, err := yaml.Marshal(f)
	if err != nil {
		return fmt.Errorf("cannot write the configuration: %w", err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot write the configuration: %w", err)
	}
	temp, err := os.CreateTemp(dir, ".config-*")
	if err != nil {
		return fmt.Errorf("cannot write the configuration: %w", err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(raw)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return fmt.Errorf("cannot write the configuration: %w", err)
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return fmt.Errorf("cannot write the configuration: %w", err)
	}
	return nil
}

// Put adds or replaces a context and makes it the current one.
func (f *File) Put(c Context) {
	f.Current = c.Name
	for i := range f.Contexts {
		if f.Contexts[i].Name == c.Name {
			f.Contexts[i] = c
			return
		}
	}
	f.Contexts = append(f.Contexts, c)
}

// Get returns the context of that name.
func (f File) Get(name string) (Context, bool) {
	for _, c := range f.Contexts {
		if c.Name == name {
			return c, true
		}
	}
	return Context{}, false
}

// Resolve chooses the context: by name if given, else HOTSTICK_CONTEXT, else the
// current one; then lays the environment over it.
func (f File) Resolve(name string, getenv func(string) string) (Context, error) {
	if name == "" {
		name = getenv("HOTSTICK_CONTEXT")
	}
	asked := name != ""
	if !asked {
		name = f.Current
	}
	c, ok := f.Get(name)
	if asked && !ok {
		return Context{}, fmt.Errorf("%w %q", ErrNoContext, name)
	}
	overlay(&c.Server, getenv("HOTSTICK_SERVER"))
	overlay(&c.Token, getenv("HOTSTICK_TOKEN"))
	overlay(&c.CA, getenv("HOTSTICK_CA"))
	overlay(&c.Root, getenv("HOTSTICK_ROOT"))
	if c.Server == "" {
		return Context{}, ErrNoServer
	}
	return c, nil
}

func overlay(field *string, value string) {
	if value != "" {
		*field = value
	}
}
