package hotstick_test

import (
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
)

func vendorSigned(edit func(*hotstick.Artifact)) hotstick.Patch {
	a := hotstick.Artifact{Build: hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "0011223344556677"},
		Digest: hotstick.NewDigest([]byte("module")), SizeBytes: 6, Module: "fix_1", SignedHash: "sha3-512",
		VendorSignature: hotstick.VendorSignature{Kind: hotstick.SignaturePGP, Digest: hotstick.NewDigest([]byte("signature")), SizeBytes: 9, Signer: "e53a3296"}}
	edit(&a)
	return hotstick.Patch{Ref: hotstick.PatchRef{Name: "fix", Level: 1}, Driver: "klp", Reversibility: hotstick.ReversibleLive, Artifacts: []hotstick.Artifact{a}}
}

func TestAVendorsSignatureIsAFileOfThePatch(t *testing.T) {
	p := vendorSigned(func(*hotstick.Artifact) {})
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if files := p.Files(); len(files) != 2 || files[1].Digest != p.Artifacts[0].VendorSignature.Digest || files[1].SizeBytes != 9 || files[1].Module != "" {
		t.Errorf("its files are %+v", files)
	}
	if files := vendorSigned(func(a *hotstick.Artifact) { a.VendorSignature = hotstick.VendorSignature{} }).Files(); len(files) != 1 {
		t.Errorf("its files are %+v", files)
	}
}

func TestWhichVendorsSignaturesAreMalformed(t *testing.T) {
	for name, edit := range map[string]func(*hotstick.VendorSignature){
		"an unknown kind":      func(s *hotstick.VendorSignature) { s.Kind = "seal" },
		"no kind":              func(s *hotstick.VendorSignature) { s.Kind = "" },
		"no bytes":             func(s *hotstick.VendorSignature) { s.SizeBytes = 0 },
		"too many bytes":       func(s *hotstick.VendorSignature) { s.SizeBytes = hotstick.MaxVendorSignatureBytes + 1 },
		"no digest":            func(s *hotstick.VendorSignature) { s.Digest = "" },
		"the artifact itself":  func(s *hotstick.VendorSignature) { s.Digest = hotstick.NewDigest([]byte("module")) },
		"a signer without end": func(s *hotstick.VendorSignature) { s.Signer = strings.Repeat("x", 257) },
	} {
		if vendorSigned(func(a *hotstick.Artifact) { edit(&a.VendorSignature) }).Validate() == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if vendorSigned(func(a *hotstick.Artifact) { a.SignedHash = "SHA 512" }).Validate() == nil {
		t.Error("a hash with a space is taken")
	}
}
