package server

import (
	"context"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/notify"
	"github.com/hotstick/hotstick/internal/store"
)

// tell makes the loops that tell people what happened.
func (s *Server) tell() error {
	o := s.options.Notify
	var sender notify.Sender
	if o.Webhook.URL != "" {
		hook, err := notify.NewWebhook(o.Webhook.URL, o.Webhook.Secret)
		if err != nil {
			return err
		}
		sender = hook
	}
	s.deliverer = notify.NewDeliverer(notify.Options{Store: s.store, Sender: sender, Quiet: o.Quiet, Window: s.window,
		Group: o.Group, Log: s.log})
	if o.Alertmanager.URL == "" {
		return nil
	}
	var err error
	s.alerter, err = notify.NewAlerter(notify.AlertOptions{URL: o.Alertmanager.URL, Labels: o.Alertmanager.Labels, Store: s.store,
		Conditions: s.conditions, Page: func(plan string) string { return s.URL() + "/rollouts/" + plan }, Quiet: o.Quiet,
		Window: func(tx store.Tx, c notify.Condition, now time.Time) (bool, error) {
			_, open, err := s.window(tx, c.Plan, now)
			return open, err
		}, Log: s.log})
	return err
}

// conditions gathers what people should know of for as long as it lasts.
func (s *Server) conditions(ctx context.Context) ([]notify.Condition, error) {
	var out []notify.Condition
	err := s.store.View(ctx, func(tx store.Tx) error {
		plans, err := tx.Plans().List(false)
		if err != nil {
			return err
		}
		for _, p := range plans {
			states, err := s.tallies.states(tx, p.ID)
			if err != nil {
				return err
			}
			out = append(out, notify.Conditions(notify.Standing{Plan: p, States: states}, tx.Now())...)
		}
		return nil
	})
	return out, err
}

// window tells until when a maintenance window of the plan is open; a plan without
// calendars has none.
func (s *Server) window(tx store.Tx, id hotstick.PlanID, now time.Time) (until time.Time, open bool, err error) {
	stored, err := tx.Plans().Get(id)
	if err != nil {
		return now, false, err
	}
	plan, err := s.controller.Plan(stored)
	if err != nil {
		return now, false, err
	}
	for _, c := range plan.Calendars {
		for _, i := range c.Opens {
			if !now.Before(i.From) && now.Before(i.Until) && i.Until.After(until) {
				until, open = i.Until, true
			}
		}
	}
	return until, open, nil
}
