package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"testing"
)

// No machine gets a certificate for bytes that its identity key did not sign.
func FuzzCheckProof(f *testing.F) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	tlsKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, tlsKey)
	if err != nil {
		f.Fatal(err)
	}
	proof := ed25519.Sign(private, request)
	f.Add([]byte(public), request, proof)
	f.Add([]byte(public), request[:20], proof)
	f.Add(make([]byte, 32), request, make([]byte, 64))
	f.Add([]byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, identity, request, proof []byte) {
		key, err := checkProof(identity, request, proof)
		if err == nil && (key == nil || !ed25519.Verify(identity, request, proof)) {
			t.Error("a request without its proof was taken")
		}
	})
}

// The same requests signed as they should be reach the parser of certificate
// requests, which must take them or refuse them.
func FuzzSignedRequest(f *testing.F) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, private)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(request)
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, request []byte) {
		if key, err := checkProof(public, request, ed25519.Sign(private, request)); err == nil && key == nil {
			t.Error("nothing was certified")
		}
	})
}
