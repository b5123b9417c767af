package hostcmd_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/hostcmd"
)

func TestAProgramSaysWhatItSaysAndHowItEnded(t *testing.T) {
	ran, err := hostcmd.Host{}.Run(t.Context(), "sh", "-c", "echo out; echo bad >&2; echo $LC_ALL; exit 7")
	if err != nil || ran.Stdout != "out\nC\n" || ran.Stderr != "bad\n" || ran.Code != 7 {
		t.Errorf("%+v, %v", ran, err)
	}
}

func TestAProgramThatIsNotThere(t *testing.T) {
	for _, name := range []string{"no-such-program", "/no/such/program"} {
		if _, err := (hostcmd.Host{}).Run(t.Context(), name); !errors.Is(err, driver.ErrNoProgram) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAProgramThatHangsIsEndedWithItsChildren(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := hostcmd.Host{}.Run(ctx, "sh", "-c", "sleep 600 & sleep 600")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it ended with %v", err)
	}
}

func TestAProgramThatSaysTooMuch(t *testing.T) {
	ran, err := hostcmd.Host{}.Run(t.Context(), "sh", "-c", "head -c 2000000 /dev/zero | tr '\\0' a")
	if err != nil || len(ran.Stdout) != 256<<10 || strings.Trim(ran.Stdout, "a") != "" {
		t.Errorf("%d bytes kept, %v", len(ran.Stdout), err)
	}
}
