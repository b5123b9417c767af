package house

import (
	"net"
	"testing"
)

func TestAPortInUseIsNoObstacle(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:8443")
	if err == nil {
		defer l.Close()
	}
	got, err := PickAddress("127.0.0.1:8443", "127.0.0.1:0")
	if err != nil || got == "127.0.0.1:8443" {
		t.Errorf("picked %q (%v) although that port is in use", got, err)
	}
}

func TestJoinLineIsReadStrictly(t *testing.T) {
	if line, err := joinLine(`{"token":"t","command":"hotstick-agent join --server https://h:1 --token t"}`); err != nil || line == "" {
		t.Errorf("%q, %v", line, err)
	}
	for _, bad := range []string{"", "{}", "hotstick-agent join", `{"command":"rm -rf /"}`} {
		if line, err := joinLine(bad); err == nil {
			t.Errorf("took %q from %q", line, bad)
		}
	}
}
