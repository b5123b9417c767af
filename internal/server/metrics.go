package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/server/view"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/version"
)

// metrics are the server's measurements. No series has a host, a plan or a
// person in it: their number is bounded by closed sets and the route table.
type metrics struct {
	registry   *prometheus.Registry
	steps      *prometheus.CounterVec
	strikes    prometheus.Counter
	transition prometheus.Histogram
	apply      prometheus.Histogram
	requests   *prometheus.CounterVec
	latency    *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		steps: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hotstick_host_steps_total",
			Help: "Steps of hosts in rollouts since the server started, by the state reached."}, []string{"state"}),
		strikes: prometheus.NewCounter(prometheus.CounterOpts{Name: "hotstick_strikes_total",
			Help: "Hosts that refused a patch after a crash since the server started."}),
		transition: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "hotstick_transition_seconds",
			Help: "Time from the load of a patch to the end of its transition, by the host's clock.", Buckets: prometheus.ExponentialBuckets(0.01, 2.5, 11)}),
		apply: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "hotstick_apply_seconds",
			Help: "Time from a host's grant to the end of its probation.", Buckets: prometheus.ExponentialBuckets(1, 2, 15)}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hotstick_http_requests_total",
			Help: "Requests by route and status."}, []string{"route", "code"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "hotstick_http_request_seconds",
			Help: "Time to answer, by route; held check-ins and live streams are left out.", Buckets: prometheus.ExponentialBuckets(0.0005, 3, 10)}, []string{"route"}),
	}
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "hotstick_build_info", Help: "Always 1; the labels say which build this is."}, []string{"version", "goversion"})
	info.WithLabelValues(version.Version, goVersion()).Set(1)
	for _, s := range hotstick.HostStates() {
		m.steps.WithLabelValues(string(s))
	}
	m.registry.MustRegister(m.steps, m.strikes, m.transition, m.apply, m.requests, m.latency, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// ofClock measures how far the machine's clock is from the server's.
func (m *metrics) ofClock(off func() time.Duration) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hotstick_clock_off_seconds",
		Help: "How far the machine's clock is ahead of the one that the server decides by."}, func() float64 { return off().Seconds() }))
}

// measure starts the measurement of one request; the function it returns ends it.
func (m *metrics) measure(pattern string, a *answer) func() {
	start := time.Now()
	if pattern == "" {
		pattern = "none"
	}
	return func() {
		m.requests.WithLabelValues(pattern, strconv.Itoa(max(a.status, http.StatusOK))).Inc()
		if pattern != "POST /agent/v1/sync" && pattern != "GET /api/v1/stream" {
			m.latency.WithLabelValues(pattern).Observe(time.Since(start).Seconds())
		}
	}
}

// observe counts one event of the audit log.
func (m *metrics) observe(tx store.Tx, e store.Event) {
	switch e.Kind {
	case inventory.HostStruck:
		m.strikes.Inc()
	case inventory.HostState:
		if hotstick.HostState(e.State).Validate() != nil {
			return
		}
		m.steps.WithLabelValues(e.State).Inc()
		m.observeTimes(tx, e)
	}
}

func (m *metrics) observeTimes(tx store.Tx, e store.Event) {
	state := hotstick.HostState(e.State)
	if state != hotstick.Probation && state != hotstick.Confirmed {
		return
	}
	line, err := tx.Plans().Host(e.Plan, e.Host)
	if err != nil {
		return
	}
	if state == hotstick.Probation && line.Timing.TransitionMillis > 0 {
		m.transition.Observe(float64(line.Timing.LoadMillis+line.Timing.TransitionMillis) / 1000)
	}
	if state == hotstick.Confirmed && line.Granted != nil {
		m.apply.Observe(e.At.Sub(*line.Granted).Seconds())
	}
}

// fleetCollector counts hosts and plans when it is asked.
type fleetCollector struct {
	s      *Server
	hosts  *prometheus.Desc
	plans  *prometheus.Desc
	slots  *prometheus.Desc
	stop   *prometheus.Desc
	behind *prometheus.Desc
	expiry *prometheus.Desc
	soon   *prometheus.Desc
	recall *prometheus.Desc
	drift  *prometheus.Desc
	stall  *prometheus.Desc
	crash  *prometheus.Desc
}

func newFleetCollector(s *Server) *fleetCollector {
	desc := prometheus.NewDesc
	return &fleetCollector{s: s,
		hosts:  desc("hotstick_hosts", "Hosts by what the screens show them as.", []string{"state"}, nil),
		plans:  desc("hotstick_plans", "Plans by status.", []string{"status"}, nil),
		slots:  desc("hotstick_slots_used", "Units of disruption budgets in use.", nil, nil),
		stop:   desc("hotstick_stop_all", "1 while new starts are blocked fleet-wide.", nil, nil),
		behind: desc("hotstick_unreconciled", "1 while nothing starts because the database is an older one than hosts have seen.", nil, nil),
		expiry: desc("hotstick_catalog_expiry_timestamp_seconds", "When the first signature of an offline key on the catalog expires.", nil, nil),
		soon:   desc("hotstick_catalog_expiring", "Files of the catalog that people must sign again within 7 days, or that have expired.", nil, nil),
		recall: desc("hotstick_recalls", "Patch levels that are recalled and that no clear has lifted.", nil, nil),
		drift:  desc("hotstick_hosts_drifting", "Hosts whose kernel is not as expected, by what somebody did to them.", []string{"kind"}, nil),
		stall:  desc("hotstick_hosts_stalled", "Hosts on which a transition does not end.", nil, nil),
		crash:  desc("hotstick_crash_stops", "Levels that are stopped on a kind of machine that crashed, once for each kind.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *fleetCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.hosts, c.plans, c.slots, c.stop, c.behind, c.expiry, c.soon, c.recall, c.drift, c.stall, c.crash} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *fleetCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := c.s.store.View(ctx, func(tx store.Tx) error { return c.collect(tx, ch) })
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.hosts, err)
	}
}

func (c *fleetCollector) collect(tx store.Tx, ch chan<- prometheus.Metric) error {
	m, err := c.s.moment(tx)
	if err != nil {
		return err
	}
	states, err := c.s.states(tx, m)
	if err != nil {
		return err
	}
	statuses := map[hotstick.PlanStatus]int{}
	for _, p := range m.Plans {
		statuses[p.Status]++
	}
	slots, err := tx.Slots().List()
	if err != nil {
		return err
	}
	stopped, err := tx.Bans().StopAll()
	if err != nil {
		return err
	}
	behind, err := inventory.Unreconciled(tx)
	if err != nil {
		return err
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, state := range view.States() {
		gauge(c.hosts, float64(states[state]), state)
	}
	for _, status := range hotstick.PlanStatuses() {
		gauge(c.plans, float64(statuses[status]), string(status))
	}
	gauge(c.slots, float64(len(slots)))
	gauge(c.stop, map[bool]float64{true: 1}[stopped])
	gauge(c.behind, map[bool]float64{true: 1}[behind])
	signed, err := c.s.signed()
	if err != nil {
		return err
	}
	gauge(c.expiry, float64(signed.Expires.Unix()))
	gauge(c.soon, float64(len(m.Trusted.ExpiresWithin(m.Now, catalog.ExpiryWarning))))
	gauge(c.recall, float64(len(m.Recalls)))
	return c.survives(tx, m, gauge)
}

// survives counts what happens to hosts beside rollouts.
func (c *fleetCollector) survives(tx store.Tx, m view.Moment, gauge func(*prometheus.Desc, float64, ...string)) error {
	census, err := c.s.census(tx, m)
	if err != nil {
		return err
	}
	for _, kind := range hotstick.DriftKinds() {
		gauge(c.drift, float64(census.Drifting[kind]), string(kind))
	}
	gauge(c.stall, float64(census.Stalled))
	stops, err := tx.Bans().CrashStops(hotstick.PatchRef{})
	gauge(c.crash, float64(len(stops)))
	return err
}

func (s *Server) metricsPage() http.Handler {
	return promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError})
}
