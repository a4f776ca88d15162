package server

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lanyard-iam/lanyard/authn"
	"github.com/lanyard-iam/lanyard/endpoint"
)

// metrics are what the admin listener serves under /metrics. Labels have few
// values and never an identity.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	refused  prometheus.Counter
	// unrecorded has a counter for each of endpoint's reasons.
	unrecorded *prometheus.CounterVec
	signIns    *prometheus.CounterVec
	observed   map[string]map[string]*observedOperation
	unknown    *observedOperation
}

// observedOperation keeps the metrics of one operation at hand, so that a request
// costs no look-up by label. Counters appear with their first use.
type observedOperation struct {
	name    string
	service string
	latency prometheus.Observer
	status  [6]atomic.Pointer[prometheus.Counter] // by status class
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lanyard_requests_total",
			Help: "Requests answered, by service, operation and class of status.",
		}, []string{"service", "operation", "status"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "lanyard_request_duration_seconds",
			Help:    "Time from the first byte read to the last byte written.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
		}, []string{"service"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lanyard_malformed_requests_total",
			Help: "Requests that are not acceptable HTTP, answered 400 before anything looked at them.",
		}),
		unrecorded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lanyard_unrecorded_attempts_total",
			Help: "Requests with an access key that were not believed and, beyond a limit, are not in the trail, by reason.",
		}, []string{"reason"}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lanyard_sign_in_attempts_total",
			Help: "Steps of people who sign in to the console, by outcome. Many failures are somebody who guesses.",
		}, []string{"outcome"}),
		observed: make(map[string]map[string]*observedOperation),
	}
	m.registry.MustRegister(m.requests, m.latency, m.refused, m.unrecorded, m.signIns,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lanyard_trail_queue_depth",
			Help: "Audit records that wait to be written.",
		}, func() float64 { return float64(s.trail.Stats().Queued) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "lanyard_trail_write_failures_total",
			Help: "Attempts to write audit records that failed and are repeated.",
		}, func() float64 { return float64(s.trail.Stats().Failures) }),
	)
	for _, why := range endpoint.Reasons {
		m.unrecorded.WithLabelValues(string(why)) // so that it is there, and 0, from the start
	}
	for _, how := range authn.Attempteds {
		m.signIns.WithLabelValues(string(how))
	}
	for _, sv := range s.services.All() {
		ops := make(map[string]*observedOperation)
		for _, op := range sv.Set.Operations {
			ops[op.Name] = m.operation(sv.SigningName, op.Name)
		}
		m.observed[sv.SigningName] = ops
	}
	m.unknown = m.operation("unknown", "unknown")
	return m
}

func (m *metrics) operation(service, operation string) *observedOperation {
	return &observedOperation{name: operation, service: service, latency: m.latency.WithLabelValues(service)}
}

// observe counts an answer.
func (m *metrics) observe(service, operation string, status int, took time.Duration) {
	o := m.observed[service][operation]
	if o == nil {
		o = m.unknown
	}
	o.latency.Observe(took.Seconds())
	class := min(status/100, len(o.status)-1)
	counter := o.status[class].Load()
	if counter == nil {
		made := m.requests.WithLabelValues(o.service, o.name, strconv.Itoa(class)+"xx")
		counter = &made
		o.status[class].Store(counter)
	}
	(*counter).Inc()
}

// notRecorded counts an attempt that left no record.
func (m *metrics) notRecorded(why endpoint.Reason) {
	m.unrecorded.WithLabelValues(string(why)).Inc()
}

// signIn counts a step of somebody who signs in.
func (m *metrics) signIn(how authn.Attempted) { m.signIns.WithLabelValues(string(how)).Inc() }

func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}
