package mixed

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// folder is the patch of the driver klp, whose sources all vendors' modules are built from
// as well.
const folder = "unix-ioctl-1"

func (d *demo) stepPrepare(ctx context.Context) error {
	began := time.Now()
	defer func() { d.report.PreparationSeconds = time.Since(began).Seconds() }()
	fetch := func(line string, which kernelpkg.Which) (kernelpkg.Kernel, error) {
		k, err := kernelpkg.Fetch(ctx, d.cache, kernelpkg.Want{Line: line, Which: which}, d.rec.Progress)
		if err == nil {
			d.rec.Note("kernel %s (package %s, build ID %.8s)", k.Release, k.Version, k.BuildID)
		}
		return k, err
	}
	var err error
	for _, line := range []string{"6.1", "6.12"} {
		if d.old[line], err = fetch(line, kernelpkg.Oldest); err != nil {
			return err
		}
	}
	if d.fixed, err = fetch("6.1", kernelpkg.Newest); err != nil {
		return err
	}
	if d.fixed.BuildID == d.old["6.1"].BuildID {
		return fmt.Errorf("cannot show a reboot: the archive has one build of 6.1 only")
	}
	for _, s := range fleet() {
		d.hosts = append(d.hosts, &member{seat: s, kernel: d.old[s.line], modules: filepath.Join(d.Dir, "build", s.driver+"-"+s.line)})
	}
	if err := d.buildModules(ctx); err != nil {
		return err
	}
	for _, source := range []string{"check.c", "probe.c"} {
		if _, err := kernelpkg.BuildProgram(ctx, filepath.Join(d.patches, folder, source), filepath.Join(d.Dir, "build")); err != nil {
			return err
		}
	}
	return nil
}

// buildModules builds what vendors' packages would bring, as many at once as there are
// processors.
func (d *demo) buildModules(ctx context.Context) error {
	once := map[string]*member{}
	for _, m := range d.hosts {
		once[m.modules] = m
	}
	builds := slices.Sorted(maps.Keys(once))
	return host.InParallel(runtime.NumCPU(), len(builds), func(i int) error {
		m := once[builds[i]]
		if err := os.MkdirAll(m.modules, 0o755); err != nil {
			return fmt.Errorf("cannot make a directory for modules: %v", err)
		}
		if m.driver == klp.driver {
			_, err := m.kernel.BuildModule(ctx, filepath.Join(d.patches, folder), m.modules)
			return err
		}
		if m.build == nil {
			return nil
		}
		return m.build(ctx, m.kernel, d.patches, m.modules)
	})
}

func (d *demo) stepInitialise(ctx context.Context) error {
	if err := d.Init(ctx); err != nil {
		return err
	}
	if err := d.StartServer(ctx); err != nil {
		return err
	}
	d.rec.Note("console on https://%s/ (sign in with the token %s)", d.Listen, d.Token)
	published := map[string]bool{}
	for _, m := range d.hosts {
		if published[m.driver] {
			continue
		}
		published[m.driver] = true
		if err := d.publish(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// publish signs the fix of a host's system into the catalog: a module, or a recipe.
func (d *demo) publish(ctx context.Context, m *member) error {
	if m.recipe == nil {
		return d.Publish(ctx, filepath.Join(d.patches, folder), []kernelpkg.Kernel{m.kernel}, []string{filepath.Join(m.modules, klpModule+".ko")})
	}
	recipe := m.recipe(m.kernel, d.fixed)
	recipe.Schema, recipe.Driver, recipe.Build = hotstick.RecipeSchema, m.driver, buildOf(m.kernel)
	data, err := recipe.Encode()
	if err != nil {
		return err
	}
	dir := filepath.Join(d.Dir, "catalog", m.patch)
	manifest := strings.Join([]string{
		"apiVersion: hotstick/v1", "kind: Patch", "name: " + m.patch, "level: 1",
		"summary: closes " + CVE + " by " + m.driver, "class: security", "severity: medium", "cves: [" + CVE + "]",
		"driver: " + m.driver, "reversibility: " + string(m.reversibility), "replace: true", "license: GPL-2.0", "",
	}, "\n")
	file := filepath.Join(dir, "recipe.json")
	if err = os.MkdirAll(dir, 0o755); err == nil {
		err = os.WriteFile(filepath.Join(dir, "manifest.yaml"), []byte(manifest), 0o644)
	}
	if err == nil {
		err = os.WriteFile(file, data, 0o644)
	}
	if err != nil {
		return fmt.Errorf("cannot write the recipe of %s: %v", m.patch, err)
	}
	_, err = d.Must(ctx, "patch", "publish", dir, "--key", d.Key("publisher"), "--artifact", file)
	return err
}

// ref is the level that a host is to come to have.
func (m *member) ref() string {
	if m.patch == "" {
		return "unix-ioctl@1"
	}
	return m.patch + "@1"
}
