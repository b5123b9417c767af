package shape_test

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick/internal/shape"
)

// pairs are shapes and the expressions that say the same.
var pairs = []struct {
	shape shape.Shape
	same  string
}{
	{shape.All("a-z2-7", 16, 16).After("h-"), `\Ah-[a-z2-7]{16}\z`},
	{shape.Of("a-z", "a-z0-9-", 1, 63), `\A[a-z][a-z0-9-]{0,62}\z`},
	{shape.Of("0-9A-Za-z", "0-9A-Za-z.+~_-", 1, 128), `\A[0-9A-Za-z][0-9A-Za-z.+~_-]{0,127}\z`},
	{shape.All("0-9a-f", 16, 64), `\A[0-9a-f]{16,64}\z`},
	{shape.All("a-z0-9-", 0, 16), `\A[a-z0-9-]{0,16}\z`},
	{shape.All("0-9A-Fa-f-", 36, 36), `\A[0-9A-Fa-f-]{36}\z`},
}

func TestAShapeIsWhatItsExpressionSays(t *testing.T) {
	for _, p := range pairs {
		same := regexp.MustCompile(p.same)
		rapid.Check(t, func(t *rapid.T) {
			text := rapid.OneOf(rapid.StringMatching(p.same), rapid.String(), rapid.StringMatching(`(h-|sha256:)?[0-9a-zA-Z.+~_\n-]{0,140}`)).Draw(t, "text")
			if cut := rapid.IntRange(0, len(text)).Draw(t, "cut"); rapid.Bool().Draw(t, "damaged") {
				text = text[:cut] + rapid.StringN(1, 2, 4).Draw(t, "bytes") + text[cut:]
			}
			if got, want := p.shape.MatchString(text), same.MatchString(text); got != want {
				t.Fatalf("%q: %t, and %s says %t", text, got, p.same, want)
			}
		})
	}
}

func TestNoTextIsOfTheZeroShape(t *testing.T) {
	for _, text := range []string{"", "a"} {
		if (shape.Shape{}).MatchString(text) {
			t.Errorf("%q is", text)
		}
	}
}
