package link

import (
	"bufio"
	"bytes"
	"testing"
)

// A hostile agent writes anything; what is taken as a call is within its limits.
func FuzzCall(f *testing.F) {
	f.Add([]byte(`{"acknowledged":3,"documents":[{"payload":""}],"readings":[{"probe":"gateway","ok":true}]}` + "\n"))
	f.Add([]byte(`{"acknowledged":1,"Acknowledged":2}` + "\n"))
	f.Add([]byte(`{"force":true}` + "\n"))
	f.Add([]byte(`null` + "\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		req, err := readRequest(bufio.NewReader(bytes.NewReader(line)))
		if err == nil && (len(req.Documents) > MaxDocuments || len(req.Readings) > MaxReadings) {
			t.Errorf("took %d documents and %d readings", len(req.Documents), len(req.Readings))
		}
	})
}
