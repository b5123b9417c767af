package cli

import (
	"path/filepath"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/cli/vendorsig"
)

const vendorSignatureUsage = "keep the vendor's own signature over a module beside it, as MODULE=FILE, or FILE for the only one; may be repeated"

// sign puts the vendors' detached signatures beside the modules that they are over.
func (m modules) sign(args []string) error {
	for _, arg := range args {
		name, file, named := strings.Cut(arg, "=")
		if !named {
			if len(m) != 1 {
				return usage("write --vendor-signature MODULE=FILE", "cannot tell which of %d modules %s is over", len(m), arg)
			}
			name, file = m[0].file, arg
		}
		data, err := readDocument(file, hotstick.MaxVendorSignatureBytes)
		if err != nil {
			return err
		}
		read, err := vendorsig.Read(data)
		if err != nil {
			return fail(exitRefused, "give the file as the vendor ships it", "cannot publish %s: %v", file, err)
		}
		known := false
		for i := range m {
			if m[i].file == name || filepath.Base(m[i].file) == name {
				m[i].artifact.VendorSignature, m[i].signature, known = read, data, true
			}
		}
		if !known {
			return usage("name a file of --artifact", "cannot find the module %q that %s is over", name, file)
		}
	}
	return nil
}

// files are what is kept or uploaded of the modules, by digest.
func (m modules) files() map[hotstick.Digest][]byte {
	files := map[hotstick.Digest][]byte{}
	for _, mod := range m {
		files[mod.artifact.Digest] = mod.data
		if mod.signature != nil {
			files[mod.artifact.VendorSignature.Digest] = mod.signature
		}
	}
	return files
}
