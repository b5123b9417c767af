// Package eportal speaks to ePortal, the server from which a company's own KernelCare
// agents take their patches. It reads which level each server reports, and stages patch
// sets by feeds, which are rings: a feed offers the sets that are enabled in it, and an agent
// sees no others.
//
// It is written from the vendor's documentation of the API, and was never run against an
// ePortal. hotstick driver feeds and offer use it. A server's report is the agent's word, a few hours old: it says whom to look at,
// and never what is in effect.
package eportal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/hotstick/hotstick/internal/shape"
)

// Bounds of what is read.
const (
	maxAnswer  = 4 << 20
	pageSize   = 500
	maxServers = 1_000_000
)

var (
	setShape  = shape.Of("A-Z", "A-Z0-9_", 2, 32)
	feedShape = shape.Of("a-zA-Z0-9", "a-zA-Z0-9_.-", 1, 64)
)

// ErrAnswer: ePortal refused. It wraps what it said.
var ErrAnswer = errors.New("ePortal refused")

// Client is one ePortal, with a key of its admin interface.
type Client struct {
	base string
	key  string
	http *http.Client
}

// New returns a client for https://HOST. The key goes into the header X-Api-Key (ePortal
// 2.14-1 or newer) and over TLS only; to a loopback address it may go in the clear.
func New(base, key string, client *http.Client) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("cannot use %.80q as the address of an ePortal", base)
	}
	local := u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return nil, fmt.Errorf("cannot use %.80q as the address of an ePortal: the key would go in the clear", base)
	}
	if key == "" {
		return nil, errors.New("cannot ask ePortal without a key")
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error {
		return errors.New("ePortal leads elsewhere, and the key stays here")
	}
	return &Client{base: u.Scheme + "://" + u.Host, key: key, http: &own}, nil
}

// Server is one host as its agent has reported it.
type Server struct {
	ID       string `json:"id"`
	Hostname string `json:"hostname"`
	Feed     string `json:"feed"`
	// Effective is the kernel version whose fixes are applied, Release the one that was
	// booted.
	Effective string `json:"euname"`
	Release   string `json:"release"`
	// Level is 0 where nothing is applied.
	Level int `json:"patch_level"`
	// CheckedIn is when the agent last reported.
	CheckedIn Time   `json:"checkin"`
	Agent     string `json:"kcare_version"`
}

// Time is one as ePortal writes it, taken as UTC; zero where there is none.
type Time struct{ time.Time }

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Time) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err != nil || text == nil || *text == "" {
		return err
	}
	read, err := time.Parse("2006-01-02 15:04:05", *text) // a fraction may follow
	if err != nil {
		return fmt.Errorf("cannot read %.40q as a time", *text)
	}
	t.Time = read
	return nil
}

// Servers lists the servers of a feed; of all where it is empty.
func (c *Client) Servers(ctx context.Context, feed string) ([]Server, error) {
	var all []Server
	for {
		query := url.Values{"limit": {strconv.Itoa(pageSize)}, "offset": {strconv.Itoa(len(all))}}
		if feed != "" {
			query.Set("feed", feed)
		}
		var page struct {
			Count  int      `json:"count"`
			Result []Server `json:"result"`
		}
		if err := c.call(ctx, http.MethodGet, "/admin/api/servers", query, &page); err != nil {
			return nil, err
		}
		if page.Count < 0 || page.Count > maxServers {
			return nil, fmt.Errorf("cannot read the servers of ePortal: it counts %d", page.Count)
		}
		all = append(all, page.Result...)
		switch {
		case len(all) == page.Count:
			return all, nil
		case len(page.Result) == 0 || len(all) > page.Count:
			return nil, fmt.Errorf("cannot read the servers of ePortal: it counts %d and lists %d", page.Count, len(all))
		}
	}
}

// Status is what a feed does with a patch set. The set is closed.
type Status string

// What a feed can do with a patch set.
const (
	Enabled       Status = "enabled"
	Disabled      Status = "disabled"
	NotDownloaded Status = "not-downloaded"
	Undeployed    Status = "undeployed"
)

// PatchSet is one of a feed.
type PatchSet struct {
	Name   string `json:"patchset"`
	Status Status `json:"status"`
}

// PatchSets lists the kernel's patch sets in a feed, the oldest first.
func (c *Client) PatchSets(ctx context.Context, feed string) ([]PatchSet, error) {
	var answer struct {
		Result []PatchSet `json:"result"`
	}
	if err := c.call(ctx, http.MethodGet, "/admin/api/patchsets/", url.Values{"feed": {feed}, "product": {"kernel"}}, &answer); err != nil {
		return nil, err
	}
	for _, s := range answer.Result {
		switch s.Status {
		case Enabled, Disabled, NotDownloaded, Undeployed:
		default:
			return nil, fmt.Errorf("cannot read the patch sets of ePortal: %.40q has the status %.40q", s.Name, string(s.Status))
		}
	}
	return answer.Result, nil
}

// Newest returns the newest set that a feed offers; empty if it offers none.
func Newest(sets []PatchSet) string {
	newest := ""
	for _, s := range sets {
		if s.Status == Enabled {
			newest = s.Name
		}
	}
	return newest
}

// Offer makes a set, with all that are older, the newest that a feed offers: what is newer
// is taken away from it. It moves no host by itself, and takes out of none what is applied.
func (c *Client) Offer(ctx context.Context, feed, set string) error {
	if !feedShape.MatchString(feed) || !setShape.MatchString(set) {
		return fmt.Errorf("cannot offer %.40q in the feed %.40q", set, feed)
	}
	for _, action := range []string{"undeploy-downto", "enable-upto"} {
		query := url.Values{"patchset": {set}, "feed": {feed}, "product": {"kernel"}, "action": {action}}
		if err := c.call(ctx, http.MethodPost, "/admin/api/patchsets/manage", query, nil); err != nil {
			return err
		}
	}
	sets, err := c.PatchSets(ctx, feed)
	if err == nil && Newest(sets) != set {
		err = fmt.Errorf("cannot offer %s in the feed %s: it offers %.40q", set, feed, Newest(sets))
	}
	return err
}

// MakeFeed makes a feed that offers nothing by itself, or takes that away from one that did.
func (c *Client) MakeFeed(ctx context.Context, feed string) error {
	if !feedShape.MatchString(feed) || feed == "main" {
		return fmt.Errorf("cannot make the feed %.40q", feed)
	}
	return c.call(ctx, http.MethodPost, "/admin/api/feeds/", url.Values{"name": {feed}, "auto": {"false"}, "deploy_after": {"0"}}, nil)
}

// call sends a request and reads its answer; its fields beside those of into may grow.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path+"?"+query.Encode(), nil)
	if err != nil {
		return fmt.Errorf("cannot ask ePortal: %w", err)
	}
	request.Header.Set("X-Api-Key", c.key)
	request.Header.Set("Accept", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("cannot ask ePortal: %w", err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("cannot read the answer of ePortal: %w", err)
	case len(data) > maxAnswer:
		return fmt.Errorf("cannot read the answer of ePortal: it is longer than %d bytes", maxAnswer)
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("%w: %s to %s: %.200q", ErrAnswer, response.Status, path, bytes.TrimSpace(data))
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("cannot read the answer of ePortal: %w", err)
	}
	return nil
}
