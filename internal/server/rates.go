package server

import (
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/hotstick/hotstick/internal/identity"
)

// Rates bound what one identity may ask of the server, so that none takes it from
// the others. Zero means the default.
type Rates struct {
	// Person is for each person, with all tokens and console sessions: 100 requests a second.
	Person Rate
	// Host is for each host's identity: 50 requests a second, of which 8 at once.
	Host Rate
	// Address is for each address, for whatever needs no identity or shows none that is
	// good, and for renewals, where a host's name may be no more than a claim: 100
	// requests a second. A whole fleet may enrol from behind one address, so its burst
	// is large.
	Address Rate
}

// Rate is how often, and how many at once.
type Rate struct {
	// PerSecond is how many requests a second are served in the long run, Burst how
	// many may come at one moment.
	PerSecond float64
	Burst     int
	// Open is how many requests of the identity may be open at a time: held check-ins,
	// downloads and live streams.
	Open int
}

var defaultRates = Rates{
	Person:  Rate{PerSecond: 100, Burst: 500, Open: 64},
	Host:    Rate{PerSecond: 50, Burst: 250, Open: 8},
	Address: Rate{PerSecond: 100, Burst: 2000, Open: 512},
}

func (r Rates) withDefaults() Rates {
	return Rates{r.Person.or(defaultRates.Person), r.Host.or(defaultRates.Host), r.Address.or(defaultRates.Address)}
}

func (r Rate) or(d Rate) Rate {
	if r.PerSecond == 0 {
		r.PerSecond, r.Burst = d.PerSecond, max(r.Burst, d.Burst)
	}
	if r.Burst == 0 {
		r.Burst = max(1, int(r.PerSecond))
	}
	if r.Open == 0 {
		r.Open = d.Open
	}
	return r
}

// maxMetered is how many identities are remembered, of about 200 bytes each. One
// that is forgotten begins with a full burst, so nobody gains by filling the table
// who could not send as much anyway.
const maxMetered = 50_000

// meters counts what each identity asks for.
type meters struct{ rows *recent[*meter] }

// meter is what one identity asks for. Its limiter and its count are used under the
// table's lock.
type meter struct {
	limiter *rate.Limiter
	open    int
}

func newMeters() *meters { return &meters{rows: newRecent[*meter](maxMetered)} }

// admit counts a request of an identity. It returns how to tell that the request is
// over, or how long to wait.
func (m *meters) admit(key string, r Rate, now time.Time) (over func(), wait time.Duration) {
	var mine *meter
	m.rows.with(key, func(row **meter) {
		if *row == nil {
			*row = &meter{limiter: rate.NewLimiter(rate.Limit(r.PerSecond), r.Burst)}
		}
		mine = *row
		if mine.open >= r.Open {
			wait = time.Second
			return
		}
		taken := mine.limiter.ReserveN(now, 1)
		if wait = taken.DelayFrom(now); wait > 0 {
			taken.CancelAt(now)
			return
		}
		mine.open++
	})
	if wait > 0 {
		return nil, wait
	}
	return func() {
		m.rows.mu.Lock()
		defer m.rows.mu.Unlock()
		mine.open--
	}, 0
}

// meter counts a request for whoever makes it, as far as that is known: a host, a
// person, or else an address. It returns how to tell that the request is over.
func (s *Server) meter(r *http.Request, need rule, who caller) (over func(), refused *problem) {
	rates := s.options.Limits.Rates
	key, limit := "address "+addressOf(r.Context()), rates.Address
	switch {
	case need == ruleHost && who.Host != "": // elsewhere somebody else may have named it
		key, limit = "host "+string(who.Host), rates.Host
	case who.Token.Kind == identity.APIToken || who.Token.Kind == identity.SessionToken:
		key, limit = "person "+string(who.Person), rates.Person
	}
	over, wait := s.meters.admit(key, limit, s.now())
	if wait > 0 {
		return nil, tooMany(wait)
	}
	return over, nil
}

// tooMany tells somebody to send less.
func tooMany(wait time.Duration) *problem {
	p := newProblem(http.StatusTooManyRequests, codeRateLimited, "cannot answer so many requests", "wait as long as Retry-After says")
	p.retry = wait
	return p
}

// welcome admits a request and counts it. What is refused counts for the address,
// and what is too much of that is refused without being told why.
func (s *Server) welcome(r *http.Request, need rule) (caller, func(), *problem) {
	who, refused := s.admit(r, need)
	over, much := s.meter(r, need, who)
	if much != nil {
		return who, nil, much
	}
	if refused != nil {
		over()
		return who, nil, refused
	}
	return who, over, nil
}
