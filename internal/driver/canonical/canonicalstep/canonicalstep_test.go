package canonicalstep_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/canonical"
	"github.com/hotstick/hotstick/internal/driver/canonical/canonicalstep"
)

const (
	aws121 = "lkp_Ubuntu_6_8_0_1047_50_aws_121"
	aws122 = "lkp_Ubuntu_6_8_0_1047_50_aws_122"
	cutOff = "2026-04-01T00:00:00Z"
)

func level(version, module string) hotstick.Recipe {
	return hotstick.Recipe{
		Schema: hotstick.RecipeSchema, Driver: "canonical", Module: module, Version: version, CutOff: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC),
		Build: hotstick.KernelBuild{Release: "6.8.0-1047-aws", Arch: "x86_64", BuildID: "0011223344556677889900112233445566778899"},
	}
}

// host is an Ubuntu in a directory, whose daemon brings a level some looks after it was
// told to.
type host struct {
	t      *testing.T
	root   string
	config map[string]string
	// status is what the client says, and brings what it says of the level once it is there.
	state, check, version string
	brings                string
	module                string
	looks                 int // until it is there
	told                  bool
	refuses               string // what config cutoff-date says
	calls                 []string
	mode                  string // that the daemon started with
}

func newHost(t *testing.T) *host {
	h := &host{t: t, root: t.TempDir(), config: map[string]string{"check-interval": "60", "cutoff-date": ""}, state: "nothing-to-apply", check: "checked", brings: "121.4", module: aws121, looks: 3, mode: "normal"}
	h.put("sys/kernel/livepatch/.keep", "")
	h.put("proc/modules", "")
	h.put("proc/cmdline", "root=/dev/vda1\n")
	return h
}

func (h *host) put(name, text string) {
	h.t.Helper()
	path := filepath.Join(h.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) file() string {
	data, err := os.ReadFile(filepath.Join(h.root, canonical.ModeFile))
	if err != nil {
		return "(none)"
	}
	return string(data)
}

func (h *host) enable(module string) {
	h.put("sys/kernel/livepatch/"+module+"/enabled", "1\n")
	h.put("sys/kernel/livepatch/"+module+"/transition", "0\n")
}

func (h *host) step() *canonicalstep.Stepper {
	return canonicalstep.New(os.DirFS(h.root), h.root, h)
}

func (h *host) Run(ctx context.Context, argv ...string) (driver.Ran, error) {
	if err := ctx.Err(); err != nil {
		return driver.Ran{}, err
	}
	line := strings.TrimPrefix(strings.Join(argv, " "), canonical.Program+" ")
	if !strings.HasPrefix(line, "status") && line != "config" {
		h.calls = append(h.calls, line)
	}
	switch key, value, sets := strings.Cut(strings.TrimPrefix(line, "config "), "="); {
	case line == "snap restart canonical-livepatch":
		if h.mode = h.file(); h.mode == "(none)" {
			h.mode = "normal"
		}
	case line == "refresh":
		h.told = h.mode == "normal"
	case line == "config":
		return driver.Ran{Stdout: fmt.Sprintf("check-interval: %s\ncutoff-date: %q\n", h.config["check-interval"], h.config["cutoff-date"])}, nil
	case strings.HasPrefix(line, "config ") && sets:
		if h.refuses != "" && key == "cutoff-date" {
			return driver.Ran{Stderr: h.refuses, Code: 1}, nil
		}
		h.config[key] = value
	case line == "status --format json":
		return driver.Ran{Stdout: h.status()}, nil
	default:
		return driver.Ran{}, fmt.Errorf("%w: %s", driver.ErrNoProgram, line)
	}
	return driver.Ran{}, nil
}

func (h *host) status() string {
	if h.told {
		if h.looks--; h.looks == 0 {
			h.state, h.version = "applied", h.brings
			h.enable(h.module)
		}
	}
	return fmt.Sprintf(`{"Status":[{"Running":true,"Livepatch":{"CheckState":%q,"State":%q,"Version":%q}}]}`, h.check, h.state, h.version)
}

func mustRefuse(t *testing.T, err error, want hotstick.ReasonCode) *driver.Refusal {
	t.Helper()
	var r *driver.Refusal
	if !errors.As(err, &r) || r.Reason.Code != want {
		t.Fatalf("want a refusal for %s, got %v", want, err)
	}
	return r
}

func (h *host) mustRun(want ...string) {
	h.t.Helper()
	if !slices.Equal(h.calls, want) {
		h.t.Errorf("it ran %q\nwant %q", h.calls, want)
	}
}

func TestTheDateIsSetBeforeTheDaemonLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		for range 2 {
			if err := h.step().Apply(t.Context(), level("121.4", aws121)); err != nil {
				t.Fatal(err)
			}
		}
		h.mustRun("config cutoff-date="+cutOff, "refresh")
	})
}

func TestOnHoldTheDaemonIsInItsNormalModeOnlyWhileItStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.put(canonical.ModeFile, "no-apply")
		h.mode, h.config["check-interval"] = "no-apply", "0"
		if err := h.step().Apply(t.Context(), level("121.4", aws121)); err != nil {
			t.Fatal(err)
		}
		h.mustRun("config cutoff-date="+cutOff, "snap restart canonical-livepatch", "refresh")
		if h.file() != "no-apply" {
			t.Errorf("the mode file says %q", h.file())
		}
	})
}

func TestWhatFailsLeavesDateAndModeAsTheyWere(t *testing.T) {
	for what, c := range map[string]struct {
		change func(*host)
		want   hotstick.ReasonCode
	}{
		"another version comes":  {func(h *host) { h.brings, h.module = "120.1", "lkp_Ubuntu_6_8_0_1047_50_aws_120" }, hotstick.ReasonToolFailed},
		"none comes":             {func(h *host) { h.looks = 1 << 30 }, hotstick.ReasonToolFailed},
		"it applies and applies": {func(h *host) { h.looks, h.state = 1<<30, "applying" }, hotstick.ReasonVerificationFailed},
		"the kernel refuses":     {func(h *host) { h.looks, h.state = 1<<30, "apply-failed" }, hotstick.ReasonKernelRefused},
		"the server is away":     {func(h *host) { h.looks, h.check = 1<<30, "check-failed" }, hotstick.ReasonToolFailed},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHost(t)
			h.put(canonical.ModeFile, "no-apply")
			h.mode, h.config["cutoff-date"] = "no-apply", "2026-01-01T00:00:00Z"
			c.change(h)
			mustRefuse(t, h.step().Apply(t.Context(), level("121.4", aws121)), c.want)
			if h.config["cutoff-date"] != "2026-01-01T00:00:00Z" || h.file() != "no-apply" {
				t.Errorf("%s: the date is %s, the mode %s", what, h.config["cutoff-date"], h.file())
			}
		})
	}
}

func TestGivingUpEndsTheWaitAndPutsTheModeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.put(canonical.ModeFile, "no-apply")
		h.looks, h.state = 1<<30, "applying"
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := h.step().Apply(ctx, level("121.4", aws121)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if h.file() != "no-apply" {
			t.Errorf("the mode file says %q", h.file())
		}
	})
}

func TestWhatCannotComeIsRefusedBeforeAnythingIsTold(t *testing.T) {
	for what, c := range map[string]struct {
		change func(*host)
		recipe hotstick.Recipe
		want   hotstick.ReasonCode
	}{
		"a newer one runs":              {func(h *host) { h.enable(aws122); h.version = "122.1" }, level("121.4", aws121), hotstick.ReasonNoWayBack},
		"another of its number runs":    {func(h *host) { h.enable(aws121); h.version = "121.5" }, level("121.4", aws121), hotstick.ReasonNoWayBack},
		"the client is behind":          {func(h *host) { h.enable(aws121); h.version = "" }, level("121.4", aws121), hotstick.ReasonVerificationFailed},
		"somebody else's runs":          {func(h *host) { h.enable("kpatch_x") }, level("121.4", aws121), hotstick.ReasonForeignPatch},
		"the module of another version": {func(h *host) {}, level("122.1", aws121), hotstick.ReasonVerificationFailed},
		"the kernel line says no":       {func(h *host) { h.put("proc/cmdline", "ro canonical_livepatch_mode=no-apply\n") }, level("121.4", aws121), hotstick.ReasonHeldOnHost},
		"its state says upgrade":        {func(h *host) { h.state = "kernel-upgrade-required" }, level("121.4", aws121), hotstick.ReasonCoverEnded},
	} {
		h := newHost(t)
		c.change(h)
		mustRefuse(t, h.step().Apply(t.Context(), c.recipe), c.want)
		if len(h.calls) > 0 {
			t.Errorf("%s: it ran %q", what, h.calls)
		}
	}
}

func TestARefusedDateEndsTheAttempt(t *testing.T) {
	h := newHost(t)
	h.refuses = "cutoff-date is available to paid Ubuntu Pro subscribers only"
	mustRefuse(t, h.step().Apply(t.Context(), level("121.4", aws121)), hotstick.ReasonNotEntitled)
	h.mustRun("config cutoff-date=" + cutOff)
}

func TestSettingsOfOthersAreNotGivenBack(t *testing.T) {
	h := newHost(t)
	for _, data := range []string{"", "{}", `{"schema":"hotstick/canonical-settings/v2","check_interval":"60","cutoff_date":"","mode":null}`,
		`{"schema":"hotstick/canonical-settings/v1","check_interval":"x","cutoff_date":"","mode":null}`,
		`{"schema":"hotstick/canonical-settings/v1","check_interval":"60","cutoff_date":"","mode":null,"more":1}`} {
		if err := h.step().Release(t.Context(), []byte(data)); err == nil {
			t.Errorf("%s was given back", data)
		}
	}
	h.mustRun()
}

func TestAReleaseGivesBackEveryByte(t *testing.T) {
	for _, mode := range []string{"", "normal", "normal\n", "no-refresh"} {
		h := newHost(t)
		h.config["cutoff-date"], h.config["check-interval"] = "2025-01-01T00:00:00Z", "120"
		if mode != "" {
			h.put(canonical.ModeFile, mode)
		}
		before := h.file()
		settings, err := h.step().Settings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := h.step().Hold(t.Context()); err != nil {
			t.Fatal(err)
		}
		if held, why, err := h.step().Held(t.Context()); err != nil || !held {
			t.Errorf("%q: held %t (%s), %v", mode, held, why, err)
		}
		h.config["cutoff-date"] = cutOff // as a level does
		if err := h.step().Release(t.Context(), settings); err != nil {
			t.Fatal(err)
		}
		if h.file() != before || h.config["cutoff-date"] != "2025-01-01T00:00:00Z" || h.config["check-interval"] != "120" {
			t.Errorf("%q: it is %q, %v", mode, h.file(), h.config)
		}
	}
}
