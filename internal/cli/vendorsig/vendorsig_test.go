package vendorsig_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/cli/vendorsig"
)

// mustRun runs a vendor's tool in dir.
func mustRun(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GNUPGHOME="+dir, "HOME="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func mustRead(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The files are made by the tools that vendors use.
func TestSignaturesOfRealToolsAreTold(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "fix.ko"), []byte("module"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, dir, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/O=Vendor/CN=Live patches", "-days", "2")
	mustRun(t, dir, "openssl", "cms", "-sign", "-binary", "-noattr", "-nocerts", "-signer", "cert.pem", "-inkey", "key.pem", "-in", "fix.ko", "-outform", "DER", "-out", "fix.p7s")
	mustRun(t, dir, "openssl", "cms", "-sign", "-binary", "-noattr", "-nocerts", "-signer", "cert.pem", "-inkey", "key.pem", "-in", "fix.ko", "-outform", "PEM", "-out", "fix.pem")
	mustRun(t, dir, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "id")
	mustRun(t, dir, "ssh-keygen", "-q", "-Y", "sign", "-f", "id", "-n", "file", "fix.ko")
	ssh := strings.Fields(mustRun(t, dir, "ssh-keygen", "-lf", "id.pub"))[1]
	tests := []struct {
		file   string
		kind   hotstick.SignatureKind
		signer string
	}{
		{"fix.p7s", hotstick.SignaturePKCS7, "Vendor: Live patches"},
		{"fix.pem", hotstick.SignaturePKCS7, "Vendor: Live patches"},
		{"fix.ko.sig", hotstick.SignatureSSH, ssh},
	}
	for _, tt := range tests {
		data := mustRead(t, dir, tt.file)
		got, err := vendorsig.Read(data)
		if err != nil || got.Kind != tt.kind || got.Signer != tt.signer || got.Digest != hotstick.NewDigest(data) || got.SizeBytes != int64(len(data)) {
			t.Errorf("%s: %+v, %v", tt.file, got, err)
		}
	}
}

// An OpenPGP signature that gpg 2.2 made, and the key that made it.
const (
	armoured = `-----BEGIN PGP SIGNATURE-----

iHUEABYIAB0WIQTlOjKWb9pztYPhHYk68tSJUJkPiwUCawH8GwAKCRA68tSJUJkP
i1BGAP9eqg/Xw3N92eLYX2+G/vzune5RSu8AlJgIC2vLaVLBggEA0FqqgfeFLvGP
fy756vF39QowUk3eqCXQxZfMUbvK7AQ=
=SwPX
-----END PGP SIGNATURE-----
`
	pgpKey = "e53a32966fda73b583e11d893af2d48950990f8b"
)

func TestOpenPGPIsToldArmouredOrNot(t *testing.T) {
	_, text, _ := strings.Cut(armoured, "\n\n")
	text, _, _ = strings.Cut(text, "\n=")
	binary, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(text, "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{[]byte(armoured), binary, []byte(strings.ReplaceAll(armoured, "\n", "\r\n"))} {
		if got, err := vendorsig.Read(data); err != nil || got.Kind != hotstick.SignaturePGP || got.Signer != pgpKey {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func TestMinisignIsTold(t *testing.T) {
	raw := append([]byte("ED\x01\x02\x03\x04\x05\x06\x07\x08"), make([]byte, 64)...)
	data := "untrusted comment: signature from minisign secret key\n" + base64.StdEncoding.EncodeToString(raw) + "\ntrusted comment: x\nAAAA\n"
	if got, err := vendorsig.Read([]byte(data)); err != nil || got.Kind != hotstick.SignatureMinisign || got.Signer != "0807060504030201" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWhatIsNoSignatureIsRefused(t *testing.T) {
	for name, data := range map[string][]byte{
		"nothing":               nil,
		"text":                  []byte("signed, the vendor"),
		"an ELF file":           []byte("\x7fELF\x02\x01\x01"),
		"armour around naught":  []byte("-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n"),
		"armour without an end": []byte("-----BEGIN PGP SIGNATURE-----\n\niQ==\n"),
		"a PGP key":             {0x99, 0, 1, 4},
		"a packet too short":    {0xc2, 0xff, 0xff, 0xff, 0xff, 0xff},
		"minisign without one":  []byte("untrusted comment: x\nRWQ=\n"),
		"something huge":        bytes.Repeat([]byte("x"), hotstick.MaxVendorSignatureBytes+1),
	} {
		if got, err := vendorsig.Read(data); err == nil {
			t.Errorf("%s is taken for %+v", name, got)
		}
	}
}

// FuzzRead: whatever a file says, reading it ends, and what is told may be published.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{armoured, "untrusted comment: x\nRUQ=\n", "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n", "\xc2\x05\x04\x00\x01\x08\x00", "\x88\x05\x03\x05\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := vendorsig.Read(data)
		if err != nil {
			return
		}
		a := hotstick.Artifact{Build: hotstick.KernelBuild{Release: "6.1.0", Arch: "x86_64", BuildID: "0011223344556677"}, Digest: hotstick.NewDigest(nil),
			SizeBytes: 1, Module: "fix", VendorSignature: s}
		if err := a.Validate(); err != nil && len(s.Signer) <= 256 {
			t.Errorf("%q cannot be published: %v", data, err)
		}
	})
}
