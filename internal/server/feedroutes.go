package server

import (
	"context"
	"errors"
	"time"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/controller/feeds"
	"github.com/hotstick/hotstick/internal/store"
)

// defaultPeriod is how often a feed is read of which nobody says it.
const defaultPeriod = 6 * time.Hour

func viewFeed(f store.Feed) api.Feed {
	s := f.State
	out := api.Feed{Name: f.Name, Kind: string(f.Kind), Location: f.Location, Complete: f.Complete, Vendor: f.Vendor,
		Enabled: f.Enabled, PeriodSeconds: int(f.Period / time.Second), Added: f.Added, Removed: f.Removed,
		Reading: api.FeedReading{Now: s.Reading, Tried: s.Tried, Good: s.Good, Failed: s.Failed, Failures: s.Failures,
			Documents: s.Counts.Documents, Fresh: s.Counts.Fresh, Refused: s.Counts.Refused, Missed: s.Counts.Missed,
			Advisories: s.Counts.Advisories, Unread: s.Counts.Unread}}
	if f.Enabled && !f.Removed && !s.Reading {
		out.Reading.Next = feeds.Due(f)
	}
	return out
}

func (s *Server) feeds(ctx context.Context, _ *empty) (*body[api.FeedList], error) {
	out := api.FeedList{Feeds: []api.Feed{}}
	err := s.store.View(ctx, func(tx store.Tx) error {
		all, err := tx.Feeds().List()
		for _, f := range all {
			out.Feeds = append(out.Feeds, viewFeed(f))
		}
		return err
	})
	return answerWith(out), err
}

// FeedPath names a feed.
type FeedPath struct {
	Name string `path:"name" doc:"A feed's name"`
}

func (s *Server) feedDetail(ctx context.Context, in *FeedPath) (*body[api.FeedDetail], error) {
	out := api.FeedDetail{Refusals: []api.FeedRefusal{}}
	err := s.store.View(ctx, func(tx store.Tx) error {
		f, err := tx.Feeds().Get(in.Name)
		if errors.Is(err, store.ErrNotFound) {
			return &controller.Refusal{Code: controller.CodeNotFound, Text: "cannot find a feed of this name", Hint: "list them with hotstick feed list"}
		}
		if err != nil {
			return err
		}
		out.Feed = viewFeed(f)
		refused, err := tx.Feeds().Refusals(in.Name)
		for _, r := range refused {
			out.Refusals = append(out.Refusals, api.FeedRefusal{Path: r.Path, Reason: r.Reason, At: r.At})
		}
		return err
	})
	return answerWith(out), err
}

type putFeedInput struct{ Body api.FeedRequest }

func (s *Server) putFeed(ctx context.Context, in *putFeedInput) (*body[api.FeedDetail], error) {
	b := in.Body
	f := store.Feed{Name: b.Name, Location: b.Location, Complete: b.Complete, Vendor: b.Vendor, Enabled: !b.Disabled, Period: defaultPeriod}
	switch {
	case b.PeriodSeconds < 0 || b.PeriodSeconds > int(time.Duration(1<<62)/time.Second):
		f.Period = 0 // which no feed can have
	case b.PeriodSeconds > 0:
		f.Period = time.Duration(b.PeriodSeconds) * time.Second
	}
	if err := s.controller.PutFeed(ctx, f, callerOf(ctx).Person, b.Reason); err != nil {
		return nil, err
	}
	return s.feedDetail(ctx, &FeedPath{b.Name})
}

type removeFeedInput struct {
	FeedPath
	Body api.ActionRequest
}

func (s *Server) removeFeed(ctx context.Context, in *removeFeedInput) (*body[api.FeedList], error) {
	if err := s.controller.RemoveFeed(ctx, in.Name, callerOf(ctx).Person, in.Body.Reason); err != nil {
		return nil, err
	}
	return s.feeds(ctx, &empty{})
}
