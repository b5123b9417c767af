// Package vendorsig tells what kind of file a vendor's detached signature is, and
// which key it names. It verifies nothing: the file is kept for whoever has the
// vendor's keys and tools.
package vendorsig

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
)

// formats are tried in order. Each names the key that the file names, which may be
// nobody's, and whether the file is of the format at all.
var formats = []struct {
	kind hotstick.SignatureKind
	read func([]byte) (signer string, ok bool)
}{
	{hotstick.SignaturePGP, pgp},
	{hotstick.SignatureSSH, ssh},
	{hotstick.SignatureMinisign, minisign},
	{hotstick.SignaturePKCS7, pkcs7},
}

// Read describes a signature file. It fails for what is none of the formats: OpenPGP,
// armoured or binary, PKCS #7 in PEM or DER, minisign, or what ssh-keygen -Y sign makes.
func Read(data []byte) (hotstick.VendorSignature, error) {
	if len(data) == 0 || len(data) > hotstick.MaxVendorSignatureBytes {
		return hotstick.VendorSignature{}, fmt.Errorf("cannot use a vendor's signature of %d bytes: want 1 to %d", len(data), hotstick.MaxVendorSignatureBytes)
	}
	for _, f := range formats {
		if signer, ok := f.read(data); ok {
			return hotstick.VendorSignature{Kind: f.kind, Digest: hotstick.NewDigest(data), SizeBytes: int64(len(data)), Signer: signer}, nil
		}
	}
	return hotstick.VendorSignature{}, errors.New("cannot tell what kind of signature this is: want OpenPGP, PKCS #7, minisign or ssh-keygen's")
}

// pgp reads an OpenPGP signature packet (RFC 9580), armoured or not.
func pgp(data []byte) (string, bool) {
	if bytes.HasPrefix(data, []byte("-----BEGIN PGP SIGNATURE-----")) {
		var ok bool
		if data, ok = dearmour(data); !ok {
			return "", false
		}
	}
	body, ok := packet(data)
	if !ok || len(body) < 6 {
		return "", false
	}
	switch body[0] {
	case 3:
		if len(body) < 15 || body[1] != 5 {
			return "", false
		}
		return hex.EncodeToString(body[7:15]), true
	case 4:
		hashed, rest, ok := area(body[4:])
		if !ok {
			return "", false
		}
		unhashed, _, ok := area(rest)
		if !ok {
			return "", false
		}
		return issuer(append(bytes.Clone(hashed), unhashed...)), true
	}
	return "", false
}

// dearmour returns what stands between the armour's blank line and its checksum.
func dearmour(data []byte) ([]byte, bool) {
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	_, text, ok := strings.Cut(text, "\n\n")
	text, _, ok2 := strings.Cut(text, "\n-----END PGP SIGNATURE-----")
	if i := strings.LastIndex(text, "\n="); i >= 0 {
		text = text[:i]
	}
	raw, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(text, "\n", ""))
	return raw, ok && ok2 && err == nil
}

// packet returns the body of the first packet if that is a signature.
func packet(data []byte) ([]byte, bool) {
	const signature = 2
	if len(data) < 3 || data[0]&0x80 == 0 {
		return nil, false
	}
	if data[0]&0x40 == 0 { // the old form of headers
		size := data[0] & 3
		head := map[byte]int{0: 2, 1: 3, 2: 5}[size]
		if data[0]>>2&15 != signature || head == 0 || len(data) < head {
			return nil, false
		}
		var n uint64
		for _, b := range data[1:head] {
			n = n<<8 | uint64(b)
		}
		return cut(data[head:], n)
	}
	if data[0]&63 != signature {
		return nil, false
	}
	n, head, ok := length(data[1:])
	if !ok {
		return nil, false
	}
	return cut(data[1+head:], n)
}

// length reads a length as new packets and subpackets have it, and how long it is.
func length(data []byte) (n uint64, head int, ok bool) {
	switch {
	case len(data) >= 1 && data[0] < 192:
		return uint64(data[0]), 1, true
	case len(data) >= 2 && data[0] < 224:
		return uint64(data[0]-192)<<8 + uint64(data[1]) + 192, 2, true
	case len(data) >= 5 && data[0] == 255:
		return uint64(binary.BigEndian.Uint32(data[1:])), 5, true
	}
	return 0, 0, false
}

func cut(data []byte, n uint64) ([]byte, bool) {
	if n > uint64(len(data)) {
		return nil, false
	}
	return data[:n], true
}

// area is a run of subpackets behind its length of two bytes, and what follows.
func area(data []byte) (subpackets, rest []byte, ok bool) {
	if len(data) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(data))
	if len(data) < 2+n {
		return nil, nil, false
	}
	return data[2 : 2+n], data[2+n:], true
}

// issuer is the fingerprint or the ID of the key that subpackets name.
func issuer(subpackets []byte) string {
	const keyID, fingerprint = 16, 33
	name := ""
	for len(subpackets) > 0 {
		n, head, ok := length(subpackets)
		if !ok || n == 0 || n > uint64(len(subpackets)-head) {
			return name
		}
		body := subpackets[head : head+int(n)]
		switch kind := body[0] & 127; {
		case kind == fingerprint && len(body) > 2 && len(body) <= 34:
			return hex.EncodeToString(body[2:])
		case kind == keyID && len(body) == 9:
			name = hex.EncodeToString(body[1:])
		}
		subpackets = subpackets[head+int(n):]
	}
	return name
}

// ssh reads a signature of ssh-keygen -Y sign (PROTOCOL.sshsig).
func ssh(data []byte) (string, bool) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "SSH SIGNATURE" || len(bytes.TrimSpace(rest)) > 0 {
		return "", false
	}
	blob, ok := bytes.CutPrefix(block.Bytes, []byte("SSHSIG"))
	if !ok || len(blob) < 8 {
		return "", false
	}
	key, ok := cut(blob[8:], uint64(binary.BigEndian.Uint32(blob[4:])))
	if !ok {
		return "", false
	}
	sum := sha256.Sum256(key)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]), true
}

// minisign reads a signature of minisign or signify: a comment, then the algorithm, the
// key's ID and the signature.
func minisign(data []byte) (string, bool) {
	lines := strings.Split(string(data), "\n")
	if len(lines) < 2 || !strings.HasPrefix(lines[0], "untrusted comment:") {
		return "", false
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(lines[1]))
	if err != nil || len(raw) != 2+8+64 || raw[0] != 'E' || raw[1] != 'd' && raw[1] != 'D' {
		return "", false
	}
	return fmt.Sprintf("%016X", binary.LittleEndian.Uint64(raw[2:])), true
}

// pkcs7 reads a signature as the kernel knows it, in DER or PEM.
func pkcs7(data []byte) (string, bool) {
	if block, rest := pem.Decode(data); block != nil && (block.Type == "PKCS7" || block.Type == "CMS") && len(bytes.TrimSpace(rest)) == 0 {
		data = block.Bytes
	}
	key, ok := kmod.Signer(data)
	return key.String(), ok
}
