package view

import (
	"strconv"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/store"
)

// Freeze makes a freeze's line.
func Freeze(f store.Freeze, now time.Time) api.Freeze {
	return api.Freeze{ID: strconv.FormatInt(f.ID, 10), Interval: hotstick.Interval{From: f.From, Until: f.Until},
		Reason: f.Reason, By: f.By, Active: !now.Before(f.From) && now.Before(f.Until)}
}

// Exclusion makes the line of a host that is kept out.
func Exclusion(e store.Exclusion, name string) api.Exclusion {
	return api.Exclusion{Host: e.Host, Name: name, Until: e.Until, Reason: e.Reason, By: e.By}
}
