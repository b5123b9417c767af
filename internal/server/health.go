package server

import (
	"encoding/json"
	"net/http"
	"runtime"

	"github.com/hotstick/hotstick/internal/ui"
)

func goVersion() string { return runtime.Version() }

// healthz says that the process answers, and no more.
func (s *Server) healthz() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { ok(w) })
}

// readyz says whether the server can serve and commit.
func (s *Server) readyz() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.store.Check(r.Context()); err != nil {
			s.log.Error("not ready", "error", err)
			writeProblem(w, newProblem(http.StatusServiceUnavailable, codeUnavailable, "cannot serve: the database does not commit",
				"is the data directory's file system full or read-only?"))
			return
		}
		ok(w)
	})
}

func ok(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"status":"ok"}` + "\n"))
}

// openAPI serves the document of the operator API.
func (s *Server) openAPI() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		data, err := json.MarshalIndent(s.document, "", "  ")
		if err != nil {
			writeProblem(w, asProblem(err, s.log))
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oai.openapi+json")
		_, _ = w.Write(data)
	})
}

// console serves the console's files.
func (s *Server) console() http.Handler { return ui.Handler() }
