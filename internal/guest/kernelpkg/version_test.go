package kernelpkg

import "testing"

func TestVersionsAreOrderedAsDebianDoes(t *testing.T) {
	for _, tt := range []struct {
		older, newer string
	}{
		{"6.1.170-3", "6.1.192-2"},
		{"6.12.96-1", "6.12.107-1"}, // not as strings
		{"6.12.107-1~deb12u1", "6.12.107-1"},
		{"6.12.95-1~bpo12+1", "6.12.96-1~deb12u1"},
		{"6.1.170-3", "6.1.170-3+b1"},
		{"6.1.9", "6.1.10"},
		{"6.1~rc1", "6.1"},
		{"2.0", "1:1.0"},
		{"1.0-1", "1.0-1a"},
		{"1.0a-1", "1.0+1-1"},
		{"1.007", "1.8"},
	} {
		if compareVersions(tt.older, tt.newer) != -1 || compareVersions(tt.newer, tt.older) != 1 {
			t.Errorf("%s is not older than %s", tt.older, tt.newer)
		}
		if compareVersions(tt.older, tt.older) != 0 {
			t.Errorf("%s is not equal to itself", tt.older)
		}
	}
}
