package settings

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// env makes a getenv of alternating names and values.
func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestTheFileIsWhereTheEnvironmentSays(t *testing.T) {
	for _, c := range []struct {
		what string
		env  func(string) string
		want string
	}{
		{"XDG", env("XDG_CONFIG_HOME", "/x", "HOME", "/h"), "/x/hotstick/config.yaml"},
		{"home", env("HOME", "/h"), "/h/.config/hotstick/config.yaml"},
		{"a relative XDG is ignored, as its specification says", env("XDG_CONFIG_HOME", "x", "HOME", "/h"), "/h/.config/hotstick/config.yaml"},
		{"named", env("HOTSTICK_CONFIG", "/etc/h.yaml", "HOME", "/h"), "/etc/h.yaml"},
	} {
		if got, err := Path(c.env); err != nil || got != c.want {
			t.Errorf("%s: Path = %q, %v; want %q", c.what, got, err, c.want)
		}
	}
	if _, err := Path(env()); err == nil {
		t.Error("a path was made of nothing")
	}
}

func TestASavedFileReadsBackAndIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "config.yaml")
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Put(Context{Name: "a", Server: "https://a:1", CA: "/ca: #1.pem", Token: "true", Root: "/root.json"})
	f.Put(Context{Name: "b", Server: "https://b:2"})
	f.Put(Context{Name: "a", Server: "https://a:3", Token: "t"})
	if err := Save(path, f); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, f) || got.Current != "a" || len(got.Contexts) != 2 {
		t.Errorf("read back %+v, want %+v", got, f)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v; want 0600", info.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".config-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files were left: %v, %v", left, err)
	}
}

func TestResolveChoosesAndOverlays(t *testing.T) {
	f := File{Current: "a", Contexts: []Context{{Name: "a", Server: "https://a", Token: "ta"}, {Name: "b", Server: "https://b"}}}
	for _, c := range []struct {
		what, name string
		env        func(string) string
		want       Context
		err        error
	}{
		{"current", "", env(), Context{Name: "a", Server: "https://a", Token: "ta"}, nil},
		{"asked", "b", env("HOTSTICK_CONTEXT", "a"), Context{Name: "b", Server: "https://b"}, nil},
		{"by environment", "", env("HOTSTICK_CONTEXT", "b"), Context{Name: "b", Server: "https://b"}, nil},
		{"overlay", "", env("HOTSTICK_SERVER", "https://c", "HOTSTICK_TOKEN", "tc", "HOTSTICK_CA", "/ca", "HOTSTICK_ROOT", "/r"),
			Context{Name: "a", Server: "https://c", Token: "tc", CA: "/ca", Root: "/r"}, nil},
		{"misspelt", "aa", env("HOTSTICK_SERVER", "https://c"), Context{}, ErrNoContext},
	} {
		got, err := f.Resolve(c.name, c.env)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: Resolve = %+v, %v; want %+v, %v", c.what, got, err, c.want, c.err)
		}
	}
	if _, err := (File{}).Resolve("", env()); !errors.Is(err, ErrNoServer) {
		t.Errorf("an empty file: %v, want ErrNoServer", err)
	}
}

func TestAnUnknownKeyIsShownWithItsPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	doc := "apiVersion: hotstick/v1\nkind: Config\ncontexts:\n  - name: a\n    sever: https://a\n"
	if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path)
	if err == nil || !strings.Contains(err.Error(), `[5:5] unknown field "sever"`) || !strings.Contains(err.Error(), "^") {
		t.Errorf("error is %v, want the place and a caret", err)
	}
}
