package hotstick_test

import (
	"testing"

	"github.com/hotstick/hotstick"
)

// What is read as a patch level prints as what was read.
func FuzzParsePatchRef(f *testing.F) {
	for _, seed := range []string{"unix-ioctl@1", "a@9007199254740993", "a@01", "a@-1", "@", "a@1@2", "Á@1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := hotstick.ParsePatchRef(text)
		if err != nil {
			return
		}
		if ref.Validate() != nil || ref.String() != text {
			t.Errorf("%q was read as %+v, which prints as %q", text, ref, ref)
		}
	})
}
