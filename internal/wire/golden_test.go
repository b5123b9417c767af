package wire_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/internal/wire"
)

var update = flag.Bool("update", false, "write the golden file anew")

// TestTheMessagesAreWhatTheGoldenFileSays shows every change of a message in
// review: a field more needs a word in the history of protocols, and one that is
// gone or different needs a new protocol.
func TestTheMessagesAreWhatTheGoldenFileSays(t *testing.T) {
	var b strings.Builder
	fmt.Fprintf(&b, "protocol %d\n", wire.Protocol)
	for _, m := range []wire.Message{&wire.EnrollRequest{}, &wire.EnrollResponse{}, &wire.RenewRequest{}, &wire.RenewResponse{}, &wire.AuthorityResponse{},
		&wire.SyncRequest{}, &wire.SyncResponse{}} {
		typ := reflect.TypeOf(m).Elem()
		fmt.Fprintf(&b, "\n%s\n", typ.Name())
		describe(&b, typ, "  ")
	}
	const path = "testdata/messages.golden"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || b.String() != string(want) {
		t.Errorf("the messages changed (%v); if that is meant, run the test with -update\n%s", err, b.String())
	}
}

// describe lists the fields of this package's structs; other types are named.
func describe(b *strings.Builder, typ reflect.Type, indent string) {
	for f := range typ.Fields() {
		if f.Tag.Get("json") == "-" {
			continue
		}
		fmt.Fprintf(b, "%s%s %s\n", indent, f.Tag.Get("json"), f.Type)
		inner := f.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner.PkgPath() == typ.PkgPath() {
			describe(b, inner, indent+"  ")
		}
	}
}

func TestWhatIsSaidOfTheAuditLogIsBounded(t *testing.T) {
	hash, note := make([]byte, 32), []byte("note")
	for _, c := range []struct {
		what string
		seen wire.AuditSeen
		good bool
	}{
		{"nothing seen", wire.AuditSeen{}, true},
		{"something seen", wire.AuditSeen{Size: 7, Root: hash}, true},
		{"evidence", wire.AuditSeen{Size: 7, Root: hash, Refused: &wire.AuditRefused{Kept: note, Offered: note}}, true},
		{"a size below zero", wire.AuditSeen{Size: -7, Root: hash}, false},
		{"a size without a root", wire.AuditSeen{Size: 7}, false},
		{"a root without a size", wire.AuditSeen{Root: hash}, false},
		{"a short root", wire.AuditSeen{Size: 7, Root: hash[1:]}, false},
		{"half of the evidence", wire.AuditSeen{Size: 7, Root: hash, Refused: &wire.AuditRefused{Kept: note}}, false},
		{"endless evidence", wire.AuditSeen{Refused: &wire.AuditRefused{Kept: note, Offered: make([]byte, wire.MaxNote+1)}}, false},
	} {
		req := goodSync()
		req.Audit = &c.seen
		if err := req.Validate(); (err == nil) != c.good {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	for _, c := range []struct {
		what string
		news wire.AuditNews
		good bool
	}{
		{"a checkpoint", wire.AuditNews{Checkpoint: note, Proof: [][]byte{hash}}, true},
		{"no checkpoint", wire.AuditNews{Proof: [][]byte{hash}}, false},
		{"an endless checkpoint", wire.AuditNews{Checkpoint: make([]byte, wire.MaxNote+1)}, false},
		{"a short hash", wire.AuditNews{Checkpoint: note, Proof: [][]byte{hash[1:]}}, false},
		{"an endless proof", wire.AuditNews{Checkpoint: note, Proof: make([][]byte, 1000)}, false},
	} {
		if err := (&wire.SyncResponse{Audit: &c.news}).Validate(); (err == nil) != c.good {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}
