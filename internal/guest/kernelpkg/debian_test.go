package kernelpkg

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestADebianIsMadeOnceAndFromWhereAptTakesItsPackages(t *testing.T) {
	cache := t.TempDir()
	var ran []string
	run := func(_ context.Context, _, program string, args ...string) (string, error) {
		ran = append(ran, program)
		switch program {
		case "apt-get":
			return "Debian bookworm-updates main http://u.example\nOther bookworm main http://o.example\nDebian bookworm main http://d.example/debian\n", nil
		case "mmdebstrap":
			if from := args[len(args)-1]; from != "http://d.example/debian" {
				t.Errorf("it is made from %s", from)
			}
			return "", os.MkdirAll(filepath.Join(args[len(args)-2], "etc"), 0o755)
		}
		return "", nil
	}
	image, err := debian(t.Context(), run, cache, nil)
	if os.Geteuid() != 0 {
		if p := (*Problem)(nil); !errors.As(err, &p) || !strings.Contains(p.Fix, "root") || len(ran) > 0 {
			t.Errorf("without root: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(image); err != nil || info.Size() != debianSize {
		t.Errorf("the image: %v, %v", info, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(image)); err != nil || len(entries) != 1 {
		t.Errorf("beside the image there is more: %v, %v", entries, err)
	}
	if again, err := debian(t.Context(), run, cache, nil); err != nil || again != image || !slices.Equal(ran, []string{"apt-get", "mmdebstrap", "mkfs.ext4"}) {
		t.Errorf("the second time: %s, %v, having run %v", again, err, ran)
	}
}

func TestAHalfMadeDebianIsNone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes one")
	}
	cache := t.TempDir()
	for _, breaks := range []string{"mmdebstrap", "mkfs.ext4"} {
		_, err := debian(t.Context(), func(_ context.Context, _, program string, _ ...string) (string, error) {
			if program == breaks {
				return "", errors.New("cut off")
			}
			return "", nil
		}, cache, nil)
		found, _ := filepath.Glob(filepath.Join(cache, "roots", "*"))
		if err == nil || len(found) > 0 {
			t.Errorf("cut off in %s: %v, and %v is left", breaks, err, found)
		}
	}
}
