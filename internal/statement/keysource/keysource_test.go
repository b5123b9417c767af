package keysource_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/statement/keysource"
)

var message = []byte(strings.Repeat("a plan with many lanes ", 10_000))

func newKey(t *testing.T) *statement.Key {
	t.Helper()
	key, err := statement.GenerateKey(rand.Reader)
	must(t, err)
	return key
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mustSign signs with what a name opens, and checks the signature with a key.
func mustSign(t *testing.T, name string, env keysource.Environment, want hotstick.TrustedKey) {
	t.Helper()
	signer, err := keysource.Open(name, env)
	must(t, err)
	signature, err := signer.Sign(message)
	must(t, err)
	if !signer.Public().Equal(want) || !statement.Verify(want, message, signature) {
		t.Errorf("%s signs with another key", name)
	}
}

func says(passphrase string) keysource.Environment {
	return keysource.Environment{Ask: func(string) ([]byte, error) { return []byte(passphrase), nil }}
}

func mustRun(t *testing.T, env []string, program string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatalf("cannot run %s: it is not installed (Debian: openssh-client)", program)
	case err != nil:
		t.Skipf("cannot run %s: it is not installed (Debian: openssh-client)", program)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, args, err, out)
	}
	return string(out)
}

func TestAnEncryptedFileOpensWithItsPassphraseOnly(t *testing.T) {
	key, file := newKey(t), filepath.Join(t.TempDir(), "ada")
	must(t, keysource.SaveEncrypted(file, key.Private(), "ada", []byte("tide")))
	mustSign(t, file, says("tide"), key.Public())
	if _, err := keysource.Open(file, says("ebb")); !errors.Is(err, keysource.ErrPassphrase) {
		t.Errorf("a wrong passphrase: %v", err)
	}
	if err := keysource.SaveEncrypted(file, key.Private(), "ada", []byte("tide")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an existing key was overwritten: %v", err)
	}
	raw, err := os.ReadFile(file)
	must(t, err)
	if bytes.Contains(raw, key.Private().Seed()) {
		t.Error("the secret lies open in the file")
	}
	must(t, os.Chmod(file, 0o640))
	if _, err := keysource.Open(file, says("tide")); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others may read: %v", err)
	}
}

func TestAnEncryptedP256FileOpens(t *testing.T) {
	key, err := statement.GenerateP256Key(rand.Reader)
	must(t, err)
	file := filepath.Join(t.TempDir(), "ada")
	must(t, keysource.SaveEncrypted(file, key.Private(), "ada", []byte("tide")))
	mustSign(t, file, says("tide"), key.Public())
	plain := filepath.Join(t.TempDir(), "ada.pem")
	must(t, key.Save(plain))
	mustSign(t, plain, keysource.Environment{}, key.Public())
}

func TestPlainFilesOfEitherFormatOpen(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	must(t, key.Save(filepath.Join(dir, "ours.pem")))
	mustSign(t, filepath.Join(dir, "ours.pem"), keysource.Environment{}, key.Public())
	block, err := ssh.MarshalPrivateKey(key.Private(), "ada")
	must(t, err)
	must(t, statement.SaveSecret(filepath.Join(dir, "theirs"), block))
	mustSign(t, filepath.Join(dir, "theirs"), keysource.Environment{}, key.Public())
}

func TestAKeyThatSSHMadeAndChangedOpens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "id")
	mustRun(t, nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "tide", "-f", file)
	mustRun(t, nil, "ssh-keygen", "-q", "-p", "-P", "tide", "-N", "flood", "-f", file)
	signer, err := keysource.Open(file, says("flood"))
	must(t, err)
	mustSign(t, file, says("flood"), signer.Public())
	for _, kind := range []string{"rsa", "ecdsa -b 384"} {
		file := filepath.Join(t.TempDir(), "id")
		mustRun(t, nil, "ssh-keygen", append([]string{"-q", "-N", "", "-f", file, "-t"}, strings.Fields(kind)...)...)
		if _, err := keysource.Open(file, says("")); err == nil || !strings.Contains(err.Error(), "P-256") {
			t.Errorf("a key of type %s: %v", kind, err)
		}
	}
}

// SSH wraps a signature of ECDSA in a form of its own.
func TestAnECDSAKeyOfSSHSignsFromItsFileAndFromTheAgent(t *testing.T) {
	socket, file := startAgent(t), filepath.Join(t.TempDir(), "id")
	env := []string{"SSH_AUTH_SOCK=" + socket}
	mustRun(t, nil, "ssh-keygen", "-q", "-t", "ecdsa", "-b", "256", "-N", "tide", "-C", "ada", "-f", file)
	signer, err := keysource.Open(file, says("tide"))
	must(t, err)
	if got := signer.Public().Algorithm(); got != hotstick.KeyP256 {
		t.Errorf("its algorithm is %q", got)
	}
	mustSign(t, file, says("tide"), signer.Public())
	mustRun(t, nil, "ssh-keygen", "-q", "-p", "-P", "tide", "-N", "", "-f", file)
	mustRun(t, env, "ssh-add", "-q", file)
	long := filepath.Join(t.TempDir(), "id")
	mustRun(t, nil, "ssh-keygen", "-q", "-t", "ecdsa", "-b", "384", "-N", "", "-C", "long", "-f", long)
	mustRun(t, env, "ssh-add", "-q", long)
	for range 20 { // the numbers of a signature differ in length
		mustSign(t, "ssh-agent:", keysource.Environment{AgentSocket: socket}, signer.Public())
	}
	if _, err := keysource.Open("ssh-agent:long", keysource.Environment{AgentSocket: socket}); err == nil || !strings.Contains(err.Error(), "ecdsa-sha2-nistp384") {
		t.Errorf("a key on another curve: %v", err)
	}
}

// startAgent runs OpenSSH's own agent and returns its socket.
func startAgent(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	out := mustRun(t, nil, "ssh-agent", "-s", "-a", socket)
	_, rest, _ := strings.Cut(out, "SSH_AGENT_PID=")
	pid, _, _ := strings.Cut(rest, ";")
	t.Cleanup(func() { mustRun(t, []string{"SSH_AUTH_SOCK=" + socket, "SSH_AGENT_PID=" + pid}, "ssh-agent", "-k") })
	return socket
}

func TestTheSSHAgentSigns(t *testing.T) {
	socket := startAgent(t)
	env := keysource.Environment{AgentSocket: socket}
	if _, err := keysource.Open("ssh-agent:", env); !errors.Is(err, keysource.ErrNoKey) {
		t.Errorf("an empty agent: %v", err)
	}
	add := func(comment string) *statement.Key {
		key, file := newKey(t), filepath.Join(t.TempDir(), "key")
		block, err := ssh.MarshalPrivateKey(key.Private(), comment)
		must(t, err)
		must(t, statement.SaveSecret(file, block))
		mustRun(t, []string{"SSH_AUTH_SOCK=" + socket}, "ssh-add", "-q", file)
		return key
	}
	ada := add("ada@laptop")
	mustSign(t, "ssh-agent:", env, ada.Public())
	grace := add("grace@laptop")
	public, err := ssh.NewPublicKey(ed25519.PublicKey(grace.Public()))
	must(t, err)
	for _, name := range []string{"grace@laptop", ssh.FingerprintSHA256(public), statement.KeyID(grace.Public())[:8], statement.KeyID(grace.Public())} {
		mustSign(t, "ssh-agent:"+name, env, grace.Public())
	}
	for _, name := range []string{"", "linus@laptop", statement.KeyID(grace.Public())[:7]} {
		if _, err := keysource.Open("ssh-agent:"+name, env); !errors.Is(err, keysource.ErrNoKey) {
			t.Errorf("%q among two keys: %v", name, err)
		}
	}
}

func TestWithoutAnAgentTheNameSaysSo(t *testing.T) {
	for _, socket := range []string{"", filepath.Join(t.TempDir(), "none")} {
		if _, err := keysource.Open("ssh-agent:ada", keysource.Environment{AgentSocket: socket}); !errors.Is(err, keysource.ErrNoAgent) {
			t.Errorf("socket %q: %v", socket, err)
		}
	}
}

// tampering is an agent that lists a security key and signs something else.
type tampering struct {
	agent.Agent
	listed []*agent.Key
}

func (a tampering) List() ([]*agent.Key, error) {
	own, err := a.Agent.List()
	return append(own, a.listed...), err
}

func (a tampering) Sign(key ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	return a.Agent.Sign(key, append([]byte("not "), data...))
}

func serve(t *testing.T, a agent.Agent) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			// It ends when the caller hangs up.
			_ = agent.ServeAgent(a, conn)
		}
	}()
	return socket
}

func TestAHostileOrUnfitAgentGivesNoSignature(t *testing.T) {
	keyring := agent.NewKeyring()
	key := newKey(t)
	must(t, keyring.Add(agent.AddedKey{PrivateKey: key.Private(), Comment: "ada"}))
	// The wire form of a security key: type, public key, application.
	blob := ssh.Marshal(struct {
		Type, Key, Application string
	}{ssh.KeyAlgoSKED25519, string(newKey(t).Public()), "ssh:"})
	security := &agent.Key{Format: ssh.KeyAlgoSKED25519, Blob: blob, Comment: "stick"}
	broken := &agent.Key{Format: ssh.KeyAlgoED25519, Blob: ssh.Marshal(struct{ Type string }{ssh.KeyAlgoED25519}), Comment: "broken"}
	env := keysource.Environment{AgentSocket: serve(t, tampering{keyring, []*agent.Key{security, broken}})}
	if _, err := keysource.Open("ssh-agent:stick", env); !errors.Is(err, keysource.ErrSecurityKey) {
		t.Errorf("a security key: %v", err)
	}
	if _, err := keysource.Open("ssh-agent:broken", env); err == nil {
		t.Error("a key that cannot be read was opened")
	}
	signer, err := keysource.Open("ssh-agent:ada", env)
	must(t, err)
	if _, err := signer.Sign(message); err == nil || !strings.Contains(err.Error(), "the signature is wrong") {
		t.Errorf("a signature over something else: %v", err)
	}
}
