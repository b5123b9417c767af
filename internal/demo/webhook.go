package demo

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/hotstick/hotstick/internal/notify"
)

// webhookSecret is what the demo's receiver shares with the server.
const webhookSecret = "demo-webhook-secret"

// receiver is somebody to be told: a webhook on loopback that checks each
// message's signature.
type receiver struct {
	*httptest.Server
	mu sync.Mutex
	// kinds counts the messages with a valid signature by kind; forged counts the
	// others.
	kinds  map[string]int
	forged int
}

func newReceiver() *receiver {
	r := &receiver{kinds: map[string]int{}}
	r.Server = httptest.NewServer(r)
	return r
}

// ServeHTTP takes one message.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err != nil {
		http.Error(w, "cannot read the message", http.StatusBadRequest)
		return
	}
	var message struct {
		Type string `json:"type"`
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if notify.Verify(webhookSecret, req.Header, body, time.Now()) != nil || json.Unmarshal(body, &message) != nil {
		r.forged++
		http.Error(w, "cannot take a message with a wrong signature", http.StatusUnauthorized)
		return
	}
	r.kinds[message.Type]++
	w.WriteHeader(http.StatusNoContent)
}

// told returns how many genuine messages of a kind came, and how many others.
func (r *receiver) told(kind string) (genuine, forged int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kinds[kind], r.forged
}
