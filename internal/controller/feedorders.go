package controller

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/shape"
	"github.com/hotstick/hotstick/internal/store"
)

// Limits of what is said of a feed of advisories.
const (
	minFeedPeriod  = time.Minute
	maxFeedPeriod  = 30 * 24 * time.Hour
	maxFeeds       = 100
	maxFeedAddress = 1000
	maxComplete    = 64
)

var (
	feedName     = shape.Of("a-z0-9", "a-z0-9-", 1, 40)
	distribution = shape.Of("a-z0-9", "a-z0-9._-", 1, 40)
	release      = shape.Of("a-zA-Z0-9", "a-zA-Z0-9.-", 1, 20)
)

// PutFeed names a feed of advisories, or says something else of one that is there. Its kind
// follows from its location.
func (c *Controller) PutFeed(ctx context.Context, f store.Feed, who hotstick.Person, reason string) error {
	said, err := ordered(who, reason)
	if err == nil {
		err = checkFeed(&f)
	}
	if err != nil {
		return err
	}
	return c.Update(ctx, func(tx store.Tx) error {
		kind := inventory.FeedChanged
		old, err := tx.Feeds().Get(f.Name)
		switch {
		case errors.Is(err, store.ErrNotFound):
			kind, f.Added = inventory.FeedAdded, tx.Now()
			if all, err := tx.Feeds().List(); err != nil {
				return err
			} else if len(all) >= maxFeeds {
				return refuse(CodeConflict, "take one out that is not needed", "cannot have more than %d feeds", maxFeeds)
			}
		case err != nil:
			return err
		case old.Removed:
			return refuse(CodeConflict, "try again in a minute", "cannot change the feed %s: it is being taken out", f.Name)
		default:
			f.Added = old.Added
			if same := f.Clone(); reflect.DeepEqual(withState(same, old.State), old) {
				return nil
			}
		}
		if err := tx.Feeds().Put(f); err != nil {
			return err
		}
		_, err = tx.Events().Append(store.Event{Kind: kind, Actor: string(who), State: f.Name, Reason: said})
		return err
	})
}

func withState(f store.Feed, s store.FeedState) store.Feed {
	f.State = s
	return f
}

// checkFeed refuses what no feed can be, and says of which kind it is.
func checkFeed(f *store.Feed) error {
	if !feedName.MatchString(f.Name) {
		return refuse(CodeInvalid, "use small letters, digits and dashes, at most 40", "cannot use %.60q as the name of a feed", f.Name)
	}
	if len(f.Location) > maxFeedAddress {
		return refuse(CodeInvalid, "", "cannot use an address of more than %d bytes", maxFeedAddress)
	}
	switch address, err := url.Parse(f.Location); {
	case filepath.IsAbs(f.Location):
		f.Kind, f.Location = store.FeedPath, filepath.Clean(f.Location)
	case err != nil || address.Host == "" || address.Scheme != "https" && address.Scheme != "http":
		return refuse(CodeInvalid, "name an http or https address, or the whole path of a file or directory on the server", "cannot read a feed from %.200q", f.Location)
	case address.User != nil:
		return refuse(CodeInvalid, "", "cannot keep a user or password in a feed's address: everybody who may read sees it")
	default:
		f.Kind = store.FeedWeb
	}
	if f.Period < minFeedPeriod || f.Period > maxFeedPeriod {
		return refuse(CodeInvalid, "say 1m to 30d", "cannot read a feed every %s", f.Period)
	}
	if len(f.Complete) > maxComplete || len(f.Vendor) > maxComplete {
		return refuse(CodeInvalid, "", "cannot name more than %d distributions", maxComplete)
	}
	for _, d := range f.Complete {
		if id, number, _ := strings.Cut(d, ":"); !distribution.MatchString(id) || !release.MatchString(number) {
			return refuse(CodeInvalid, "write them as debian:12", "cannot call a feed complete for %.60q", d)
		}
	}
	for _, id := range f.Vendor {
		if !distribution.MatchString(id) {
			return refuse(CodeInvalid, "write it as ID in /etc/os-release, such as debian", "cannot use %.60q as a distribution", id)
		}
	}
	return nil
}

// RemoveFeed takes a feed out, with all that it said. It may be repeated.
func (c *Controller) RemoveFeed(ctx context.Context, name string, who hotstick.Person, reason string) error {
	said, err := ordered(who, reason)
	if err != nil {
		return err
	}
	return c.Update(ctx, func(tx store.Tx) error {
		f, err := tx.Feeds().Get(name)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return refuse(CodeNotFound, "list them with hotstick feed list", "cannot find a feed of this name")
		case err != nil || f.Removed:
			return err
		}
		f.Removed = true
		if err := tx.Feeds().Put(f); err != nil {
			return err
		}
		_, err = tx.Events().Append(store.Event{Kind: inventory.FeedRemoved, Actor: string(who), State: name, Reason: said})
		return err
	})
}
