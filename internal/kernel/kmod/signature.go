package kmod

import (
	"encoding/asn1"
	"encoding/hex"
	"strings"

	"github.com/hotstick/hotstick"
)

// The parts of PKCS #7 (RFC 5652) that name the signer. The kernel's sign-file
// writes no certificates into it.
type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,tag:0"`
}

type signedData struct {
	Version      int
	Digests      asn1.RawValue
	Encapsulated asn1.RawValue
	Certificates asn1.RawValue `asn1:"optional,tag:0"`
	Revoked      asn1.RawValue `asn1:"optional,tag:1"`
	Signers      []signerInfo  `asn1:"set"`
}

// signerInfo begins with who signed; the rest is the kernel's business.
type signerInfo struct {
	Version   int
	Signer    asn1.RawValue
	Digest    asn1.RawValue
	Signed    asn1.RawValue `asn1:"optional,tag:0"`
	Algorithm asn1.RawValue
	Signature []byte
	Unsigned  asn1.RawValue `asn1:"optional,tag:1"`
}

type issuerAndSerial struct {
	Issuer asn1.RawValue
	Serial asn1.RawValue
}

type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// Object identifiers of RFC 5652 and X.520.
var (
	signedDataType = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	commonName     = asn1.ObjectIdentifier{2, 5, 4, 3}
	organisation   = asn1.ObjectIdentifier{2, 5, 4, 10}
	emailAddress   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
)

// maxKeyName bounds the signer's name, in bytes.
const maxKeyName = 256

// Signer returns the key that a module's signature names, and false if there is no
// telling. The signature is not verified: that is the kernel's part.
func Signer(signature []byte) (hotstick.KernelKey, bool) {
	none := hotstick.KernelKey{}
	signer, ok := onlySigner(signature)
	if !ok {
		return none, false
	}
	who := signer.Signer
	if who.Class == asn1.ClassContextSpecific && who.Tag == 0 {
		return hotstick.KernelKey{ID: hex.EncodeToString(who.Bytes)}, len(who.Bytes) > 0
	}
	var named issuerAndSerial
	if rest, err := asn1.Unmarshal(who.FullBytes, &named); err != nil || len(rest) > 0 {
		return none, false
	}
	name := keyName(named.Issuer.FullBytes)
	return hotstick.KernelKey{Name: name}, name != ""
}

// onlySigner reads the part of a signature that says who signed, and how.
func onlySigner(signature []byte) (signerInfo, bool) {
	var outer contentInfo
	if rest, err := asn1.Unmarshal(signature, &outer); err != nil || len(rest) > 0 || !outer.Type.Equal(signedDataType) {
		return signerInfo{}, false
	}
	var data signedData
	if rest, err := asn1.Unmarshal(outer.Content.Bytes, &data); err != nil || len(rest) > 0 || len(data.Signers) != 1 {
		return signerInfo{}, false
	}
	return data.Signers[0], true
}

// hashes are the digest algorithms that the kernel's sign-file knows, by their object
// identifiers.
var hashes = map[string]string{
	"1.3.14.3.2.26":           "sha1",
	"2.16.840.1.101.3.4.2.4":  "sha224",
	"2.16.840.1.101.3.4.2.1":  "sha256",
	"2.16.840.1.101.3.4.2.2":  "sha384",
	"2.16.840.1.101.3.4.2.3":  "sha512",
	"2.16.840.1.101.3.4.2.8":  "sha3-256",
	"2.16.840.1.101.3.4.2.9":  "sha3-384",
	"2.16.840.1.101.3.4.2.10": "sha3-512",
}

// hashOf names the hash that a module's signature is over, or nothing.
func hashOf(signature []byte) string {
	signer, ok := onlySigner(signature)
	if !ok {
		return ""
	}
	var algorithm struct {
		ID     asn1.ObjectIdentifier
		Params asn1.RawValue `asn1:"optional"`
	}
	if rest, err := asn1.Unmarshal(signer.Digest.FullBytes, &algorithm); err != nil || len(rest) > 0 {
		return ""
	}
	return hashes[algorithm.ID.String()]
}

// keyName writes a certificate's name as the kernel does (x509_fabricate_name): the
// common name, after the organisation unless that is its beginning.
func keyName(raw []byte) string {
	var sets []asn1.RawValue
	if rest, err := asn1.Unmarshal(raw, &sets); err != nil || len(rest) > 0 {
		return ""
	}
	parts := map[string]string{}
	for _, set := range sets {
		var a attribute
		if _, err := asn1.Unmarshal(set.Bytes, &a); err != nil {
			return ""
		}
		parts[a.Type.String()] = string(a.Value.Bytes)
	}
	cn, o := parts[commonName.String()], parts[organisation.String()]
	name := cn
	switch {
	case cn != "" && o != "" && !sameBeginning(cn, o):
		name = o + ": " + cn
	case cn == "" && o != "":
		name = o
	case cn == "":
		name = parts[emailAddress.String()]
	}
	if len(name) > maxKeyName {
		return ""
	}
	return name
}

// sameBeginning reports whether a common name begins with the organisation, or with
// the first seven bytes of it.
func sameBeginning(cn, o string) bool {
	const enough = 7
	return strings.HasPrefix(cn, o) || len(o) >= enough && strings.HasPrefix(cn, o[:enough])
}
