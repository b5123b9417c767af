package keysource_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/statement/keysource"
	"github.com/hotstick/hotstick/internal/statement/keysource/tokentest"
)

const (
	pin  = "4711-tide"
	p256 = "EC:prime256v1"
)

// newToken plugs in one token with one key, and returns how to reach it.
func newToken(t *testing.T) (*tokentest.World, keysource.Environment) {
	t.Helper()
	w := tokentest.New(t)
	w.Plug("ada", pin)
	w.Key("ada", pin, p256, "sign", "01")
	env := says(pin)
	env.TokenModule = w.Module
	return w, env
}

func mustOpen(t *testing.T, name string, env keysource.Environment) statement.Signer {
	t.Helper()
	signer, err := keysource.Open(name, env)
	must(t, err)
	return signer
}

// mustFailToSign checks why a signer gives no signature.
func mustFailToSign(t *testing.T, signer statement.Signer, cause error, why string) {
	t.Helper()
	signature, err := signer.Sign(message)
	if err == nil || cause != nil && !errors.Is(err, cause) || !strings.Contains(err.Error(), why) || signature != nil {
		t.Errorf("got %v, want %v with %q", err, cause, why)
	}
}

func TestATokenSignsWhateverTheLength(t *testing.T) {
	w, env := newToken(t)
	want := mustOpen(t, "pkcs11:token=ada;object=sign", env).Public()
	if want.Algorithm() != hotstick.KeyP256 {
		t.Errorf("the token's key is for %q", want.Algorithm())
	}
	for _, name := range []string{"pkcs11:", "pkcs11:token=ada", "pkcs11:object=sign", "pkcs11:token=ada;id=%01", "pkcs11:token=ada;object=sign;id=%01"} {
		mustSign(t, name, env, want)
	}
	file := filepath.Join(t.TempDir(), "pin")
	must(t, os.WriteFile(file, []byte(pin+"\n"), 0o600))
	mustSign(t, "pkcs11:token=ada?pin-source=file:"+file+"&module-path="+w.Module, keysource.Environment{}, want)
	must(t, os.Chmod(file, 0o640))
	mustFailToSign(t, mustOpen(t, "pkcs11:token=ada?pin-source="+file, env), nil, "chmod 600")
}

func TestATokensKeysAreListed(t *testing.T) {
	w, env := newToken(t)
	w.Key("ada", pin, "EC:edwards25519", "ed", "02")
	w.Key("ada", pin, "EC:secp384r1", "long", "03")
	w.Key("ada", pin, "rsa:2048", "old", "04")
	w.Key("ada", pin, p256, "nameless", "")
	w.Key("ada", pin, p256, "x\n  ID:         01", "05")
	w.Plug("grace hopper", pin)
	w.Key("grace hopper", pin, p256, "sign", "0a0b")
	keys, err := keysource.TokenKeys("pkcs11:", env)
	must(t, err)
	got := map[string]string{}
	for _, k := range keys {
		got[k.Name] = fmt.Sprint(k.Problem)
		if (k.Problem == nil) != (k.Public != nil) {
			t.Errorf("%s: key %x, problem %v", k.Name, k.Public, k.Problem)
		}
		if k.Problem == nil {
			mustSign(t, k.Name, env, k.Public)
		} else if _, err := keysource.Open(k.Name, env); err == nil {
			t.Errorf("%s was opened", k.Name)
		}
	}
	for name, want := range map[string]string{
		"pkcs11:token=ada;object=sign;id=%01":               "<nil>",
		"pkcs11:token=grace%20hopper;object=sign;id=%0A%0B": "<nil>",
		"pkcs11:token=ada;object=ed;id=%02":                 "1,024 bytes",
		"pkcs11:token=ada;object=long;id=%03":               "cannot",
		"pkcs11:token=ada;object=old;id=%04":                "no ECDSA P-256 key",
		"pkcs11:token=ada;object=nameless":                  "it has no ID",
		"pkcs11:token=ada;object=x":                         "cannot be read",
	} {
		if problem, there := got[name]; !there || !strings.Contains(problem, want) {
			t.Errorf("%s: %q (%t), want %q; all are %q", name, problem, there, want, got)
		}
	}
	if len(got) != 7 {
		t.Errorf("%d keys are listed: %q", len(got), got)
	}
}

func TestWhatATokenCannotDoIsSaid(t *testing.T) {
	w, env := newToken(t)
	w.Key("ada", pin, "EC:edwards25519", "ed", "02")
	w.Key("ada", pin, p256, "twin", "03")
	w.Key("ada", pin, p256, "twin", "04")
	w.Key("ada", pin, p256, "first", "05")
	w.Key("ada", pin, p256, "second", "05")
	w.Plug("adam", pin)
	for _, c := range []struct {
		what, name string
		cause      error
		why        string
	}{
		{"no such token", "pkcs11:token=linus", keysource.ErrNoToken, `there is none called "linus"`},
		{"the beginning of a token's name", "pkcs11:token=ad", keysource.ErrNoToken, "there is none"},
		{"any of two tokens", "pkcs11:object=sign", keysource.ErrNoToken, "there are 2 that fit"},
		{"no such key", "pkcs11:token=ada;object=nothing", keysource.ErrNoTokenKey, "has 0 such keys, of 6"},
		{"two matching objects", "pkcs11:token=ada;object=twin", keysource.ErrNoTokenKey, "has 2 such keys"},
		{"one of two keys with one ID", "pkcs11:token=ada;object=first", keysource.ErrNoTokenKey, "2 keys of the token have the ID 05"},
		{"an Ed25519 key", "pkcs11:token=ada;object=ed", keysource.ErrTokenEd25519, "1,024 bytes"},
		{"a module that is none", "pkcs11:token=ada?module-path=/etc/hostname", keysource.ErrNoModule, ""},
		{"a module that somebody else may put in the way", "pkcs11:token=ada?module-path=softhsm.so", nil, "full path"},
		{"a PIN for everybody to see", "pkcs11:token=ada?pin-value=1234", nil, "whoever lists processes"},
	} {
		if _, err := keysource.Open(c.name, env); err == nil || c.cause != nil && !errors.Is(err, c.cause) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	env.TokenModule = ""
	if _, err := keysource.Open("pkcs11:token=ada", env); !errors.Is(err, keysource.ErrNoModule) {
		t.Errorf("no module: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	env.TokenModule = w.Module
	if _, err := keysource.Open("pkcs11:token=ada", env); !errors.Is(err, keysource.ErrNoTool) {
		t.Errorf("no tool: %v", err)
	}
}

func TestAWrongPINIsTriedOnce(t *testing.T) {
	_, env := newToken(t)
	asked := 0
	env.Ask = func(string) ([]byte, error) {
		if asked++; asked == 1 {
			return []byte("0000-ebb"), nil
		}
		return []byte(pin), nil
	}
	signer := mustOpen(t, "pkcs11:token=ada", env)
	mustFailToSign(t, signer, keysource.ErrPIN, "")
	for range 2 {
		_, err := signer.Sign(message)
		must(t, err)
	}
	if asked != 2 {
		t.Errorf("the PIN was asked for %d times: want once, and again after a wrong one", asked)
	}
	for _, bad := range []string{"", strings.Repeat("1", 256), "1\x002"} {
		env := env
		env.Ask = says(bad).Ask
		mustFailToSign(t, mustOpen(t, "pkcs11:token=ada", env), nil, "cannot use a PIN")
	}
}

func TestATokenThatIsPulledOutOrExchangedGivesNoSignature(t *testing.T) {
	w, env := newToken(t)
	signer := mustOpen(t, "pkcs11:", env)
	w.Pull("ada")
	mustFailToSign(t, signer, keysource.ErrNoToken, `there is none called "ada"`)
	w.Plug("eve", pin)
	w.Key("eve", pin, p256, "sign", "01")
	mustFailToSign(t, signer, keysource.ErrNoToken, `there is none called "ada"`)
	w.Plug("ada", pin)
	mustFailToSign(t, signer, keysource.ErrNoTokenKey, "")
	w.Key("ada", pin, p256, "sign", "01")
	mustFailToSign(t, signer, nil, "the signature is wrong")
	w.Plug("ada", pin)
	mustFailToSign(t, signer, keysource.ErrNoToken, "there are 2 that fit")
}

// inPlaceOfTheTool puts a shell script where the tool is looked for; $TOOL is the
// real one.
func inPlaceOfTheTool(t *testing.T, script string) {
	t.Helper()
	real, err := exec.LookPath("pkcs11-tool")
	must(t, err)
	dir := t.TempDir()
	t.Setenv("TOOL", real)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	must(t, os.WriteFile(filepath.Join(dir, "pkcs11-tool"), []byte("#!/bin/sh\n"+script+"\n"), 0o700))
}

func TestThePINIsNoArgument(t *testing.T) {
	_, env := newToken(t)
	seen := filepath.Join(t.TempDir(), "seen")
	inPlaceOfTheTool(t, `echo "$@" >>`+seen+`; exec $TOOL "$@"`)
	_, err := mustOpen(t, "pkcs11:token=ada", env).Sign(message)
	must(t, err)
	args, err := os.ReadFile(seen)
	must(t, err)
	if !strings.Contains(string(args), "--sign") || strings.Contains(string(args), pin) {
		t.Errorf("the tool was called with:\n%s", args)
	}
}

func TestAToolThatNeverEndsIsEnded(t *testing.T) {
	_, env := newToken(t)
	signer := mustOpen(t, "pkcs11:token=ada", env)
	for _, c := range []struct{ what, script, why string }{
		{"endless output", `exec yes 'Slot 0 (0x1): x'`, "more than 65536 bytes"},
		{"endless output at the end", `case "$*" in *--sign*) exec yes;; *) exec $TOOL "$@";; esac`, "more than 65536 bytes"},
		{"endless complaints", `yes >&2`, "did not end within"},
		{"silence", `exec sleep 3600`, "did not end within"},
		{"silence of a child", `sleep 5 & wait`, "did not end within"},
		{"a signature and more", `case "$*" in *--sign*) $TOOL "$@"; echo;; *) exec $TOOL "$@";; esac`, "the signature is wrong"},
		{"an answer that is none", `exit 3`, "exit status 3"},
	} {
		t.Run(c.what, func(t *testing.T) {
			inPlaceOfTheTool(t, c.script)
			env := env
			if strings.Contains(c.why, "within") {
				env.TokenTime = 300 * time.Millisecond
				if _, err := keysource.Open("pkcs11:token=ada", env); err == nil || !strings.Contains(err.Error(), c.why) {
					t.Errorf("got %v", err)
				}
				return
			}
			mustFailToSign(t, signer, nil, c.why)
		})
	}
}
