package kernel

import (
	"encoding/hex"
	"io/fs"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
)

// maxKeys bounds how many keys are told of; a machine with firmware keys of its
// maker has about ten.
const maxKeys = 64

// TrustedKeys returns the keys that the kernel takes module signatures from, as
// /proc/keys lists them: one line each of seven fields and a description, such as
//
//	341cbe21 I------ 1 perm 1f030000 0 0 asymmetri Debian Secure Boot CA: 6ccece7e…: X509.rsa 4c0d1f61 []
//
// The kernel shows them to root only; nil means that nothing can be said.
func TrustedKeys(fsys fs.FS) []hotstick.KernelKey {
	raw, err := readFile(fsys, "proc/keys", largeFile)
	if err != nil {
		return nil
	}
	var keys []hotstick.KernelKey
	for _, line := range strings.Split(string(raw), "\n") {
		key, ok := trustedKey(line)
		if ok && !slices.Contains(keys, key) && len(keys) < maxKeys {
			keys = append(keys, key)
		}
	}
	return keys
}

// trustedKey reads one line; keys of users, revoked and expired ones are none.
func trustedKey(line string) (hotstick.KernelKey, bool) {
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[5] != "0" || fields[7] != "asymmetri" || strings.ContainsAny(fields[1], "RDN") || fields[3] != "perm" {
		return hotstick.KernelKey{}, false
	}
	_, described, _ := strings.Cut(line, " asymmetri ")
	described = strings.TrimSpace(described)
	end := strings.LastIndex(described, ": X509.")
	if end < 0 {
		return hotstick.KernelKey{}, false
	}
	name, id, found := lastCut(described[:end], ": ")
	if _, err := hex.DecodeString(id); !found || err != nil || name == "" {
		return hotstick.KernelKey{}, false
	}
	return hotstick.KernelKey{Name: name, ID: id}, true
}

// lastCut cuts a text around the last separator.
func lastCut(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}
