package sqlite

import (
	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

const selectCrashStop = `SELECT patch_name, patch_level, build_id, release, arch, model, host, host_name, reason, at FROM crash_stops`

const orderCrashStops = ` ORDER BY patch_name, patch_level, build_id, release, arch, model`

func readCrashStop(row scan) (s store.CrashStop, err error) {
	var reason string
	var at int64
	p := &s.Print
	if err := row(&p.Patch.Name, &p.Patch.Level, &p.Build.BuildID, &p.Build.Release, &p.Build.Arch, &p.Model,
		&s.Host, &s.HostName, &reason, &at); err != nil {
		return s, err
	}
	s.At = when(at)
	s.Reason, err = parse[hotstick.Reason](reason)
	return s.Clone(), err
}

func (t banTable) StopPrint(s store.CrashStop) error {
	s = s.Clone()
	reason, err := text(s.Reason, false)
	if err != nil {
		return err
	}
	p := s.Print
	n, err := t.exec(`INSERT INTO crash_stops (patch_name, patch_level, build_id, release, arch, model, host, host_name, reason, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		p.Patch.Name, p.Patch.Level, p.Build.BuildID, p.Build.Release, p.Build.Arch, p.Model, s.Host, s.HostName, reason, s.At.UnixMicro())
	if err == nil && n == 0 {
		return store.ErrTaken
	}
	return err
}

func (t banTable) LiftPrints(ref hotstick.PatchRef) (int, error) {
	n, err := t.exec(`DELETE FROM crash_stops WHERE patch_name = ? AND patch_level = ?`, ref.Name, ref.Level)
	return int(n), err
}

func (t banTable) CrashStops(ref hotstick.PatchRef) ([]store.CrashStop, error) {
	if ref.IsZero() {
		return all(t.tx, readCrashStop, selectCrashStop+orderCrashStops)
	}
	return all(t.tx, readCrashStop, selectCrashStop+` WHERE patch_name = ? AND patch_level = ?`+orderCrashStops, ref.Name, ref.Level)
}
