package server

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/strictjson"
	"github.com/hotstick/hotstick/internal/version"
)

// mount builds the handler from the route table. A route without a rule, or with
// none or both of bind and serve, is a fault of the program.
func (s *Server) mount(table []route) http.Handler {
	mux := http.NewServeMux()
	bounds := &bounded{ServeMux: mux, s: s}
	operator := humago.New(bounds, apiConfig())
	operator.UseMiddleware(s.guardHuma)
	for _, r := range table {
		switch {
		case r.rule == "" || (r.bind == nil) == (r.serve == nil):
			panic("route " + r.method + " " + r.path + " is incomplete")
		case r.bind != nil:
			bounds.route = r
			r.bind(s, operator, r.operation(s.options.times))
		default:
			mux.Handle(r.method+" "+r.path, s.bound(r, s.guard(r.rule, r.serve(s))))
		}
	}
	s.document = operator.OpenAPI()
	documentProblems(s.document)
	return s.outer(mux)
}

// bounded is a mux that bounds the bodies of huma's routes as of all others.
type bounded struct {
	*http.ServeMux
	s *Server
	// route is the one that is registered at this moment.
	route route
}

// HandleFunc implements humago's Mux.
func (b *bounded) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	b.Handle(pattern, b.s.bound(b.route, http.HandlerFunc(handler)))
}

// documentProblems puts our problem in the place of huma's own error model, which
// is never sent.
func documentProblems(doc *huma.OpenAPI) {
	schemas := doc.Components.Schemas
	problem := schemas.Schema(reflect.TypeFor[api.Problem](), true, "Problem")
	for _, path := range doc.Paths {
		for _, op := range []*huma.Operation{path.Get, path.Post, path.Put, path.Delete} {
			if op == nil {
				continue
			}
			for _, answer := range op.Responses {
				if media, there := answer.Content[problemType]; there {
					media.Schema = problem
				}
			}
		}
	}
	delete(schemas.Map(), "ErrorModel")
	delete(schemas.Map(), "ErrorDetail")
}

// apiConfig is huma without what it would add by itself: no documentation page
// with foreign scripts, no schema links, no lenient JSON.
func apiConfig() huma.Config {
	registry := huma.NewMapRegistry("#/components/schemas/", schemaName)
	format := huma.Format{Marshal: writeJSON, Unmarshal: strictjson.Unmarshal}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "Hotstick", Version: version.Version,
				Description: "The operator API of a Hotstick server. Errors are RFC 9457 problems with a code and a hint."},
			Components: &huma.Components{
				Schemas: registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token":   {Type: "http", Scheme: "bearer"},
					"console": {Type: "apiKey", In: "cookie", Name: cookieName},
				},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{tellHuma},
	}
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(true)
	return enc.Encode(v)
}

// schemaName keeps the domain's own types apart from those of the API that have
// the same name.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if strings.HasSuffix(t.PkgPath(), "/hotstick") {
		return "Domain" + name
	}
	return name
}

func operationID(r route) string {
	path := strings.NewReplacer("/api/v1/", "", "{", "", "}", "", "/", "-", ".", "-").Replace(r.path)
	return strings.ToLower(r.method) + "-" + strings.Trim(path, "-")
}

// apiPolicy is for whatever is not the console, should a browser ever show it.
const apiPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// outer wraps all routes: headers that every answer has, faults, unknown routes
// and measurements.
func (s *Server) outer(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = s.addressed(r)
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-store")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Content-Security-Policy", apiPolicy)
		_, pattern := mux.Handler(r)
		measured := &answer{ResponseWriter: w}
		stop := s.metrics.measure(pattern, measured)
		defer stop()
		defer func() {
			if fault := recover(); fault != nil {
				if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(fault)
				}
				s.log.Error("fault while answering", "route", pattern, "fault", fault)
				if measured.status == 0 {
					writeProblem(measured, newProblem(http.StatusInternalServerError, codeInternal, "cannot answer: the server has a fault", "the server's log says more"))
				}
			}
		}()
		if pattern == "" || pattern == "GET /" && notConsole(r.URL.Path) {
			over, much := s.meter(r, ruleOpen, caller{})
			if much != nil {
				writeProblem(measured, much)
				return
			}
			defer over()
			s.unrouted(measured, r, mux)
			return
		}
		mux.ServeHTTP(measured, r)
	})
}

// notConsole reports whether a path belongs to machines, so that a misspelt one
// is not answered with the console's page.
func notConsole(path string) bool {
	return path == "/debug" || strings.HasPrefix(path, "/debug/") || path == "/api" || strings.HasPrefix(path, "/api/") || path == "/agent" || strings.HasPrefix(path, "/agent/")
}

// unrouted answers for paths and methods that the table does not have.
func (s *Server) unrouted(w http.ResponseWriter, r *http.Request, mux *http.ServeMux) {
	var allowed []string
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		probe := r.Clone(r.Context())
		probe.Method = method
		if _, pattern := mux.Handler(probe); pattern != "" && !(pattern == "GET /" && notConsole(r.URL.Path)) {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		writeProblem(w, newProblem(http.StatusNotFound, codeNoRoute, "cannot find this route", "see /openapi.json for the routes there are"))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	writeProblem(w, newProblem(http.StatusMethodNotAllowed, codeMethod, "cannot use this method here", "allowed: "+strings.Join(allowed, ", ")))
}

// answer notes the status that was written.
type answer struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(data []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(data)
}

// Unwrap lets http.ResponseController reach deadlines and flushing.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
