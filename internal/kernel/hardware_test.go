package kernel

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestHardwareIsWhatACopyOfTheDiskDoesNotCopy(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text + "\n")} }
	for _, tt := range []struct {
		name  string
		files fstest.MapFS
		want  string
	}{
		{"nothing is told", fstest.MapFS{}, ""},
		{"two cards, in any order", fstest.MapFS{
			"sys/class/net/eth1/device": file(""), "sys/class/net/eth1/address": file("52:54:00:00:00:02"),
			"sys/class/net/eth2/device": file(""), "sys/class/net/eth2/address": file("52:54:00:00:00:01")},
			"mac:52:54:00:00:00:01 mac:52:54:00:00:00:02"},
		{"cards of software are none", fstest.MapFS{"sys/class/net/docker0/address": file("02:42:00:00:00:01"), "sys/class/net/lo/address": file("00:00:00:00:00:00")}, ""},
		{"a card in a bond has its own address", fstest.MapFS{"sys/class/net/eth0/device": file(""), "sys/class/net/eth0/address": file("52:54:00:00:00:09"),
			"sys/class/net/eth0/bonding_slave/perm_hwaddr": file("52:54:00:00:00:01")}, "mac:52:54:00:00:00:01"},
		{"a malformed address", fstest.MapFS{"sys/class/net/eth0/device": file(""), "sys/class/net/eth0/address": file("<script>")}, ""},
		{"the product", fstest.MapFS{"sys/class/dmi/id/product_uuid": file("4C4C4544-0051-4D10-8057-B9C04F4A4E33")}, "product:4c4c4544-0051-4d10-8057-b9c04f4a4e33"},
	} {
		if got := hardware(tt.files); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAModelIsMakerAndProduct(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s + "\n")} }
	for _, c := range []struct {
		name, vendor, product, want string
	}{
		{"both", "Dell Inc.", "PowerEdge R740", "Dell Inc. PowerEdge R740"},
		{"a product alone", "", "KVM", "KVM"},
		{"a maker alone", "QEMU ", "", "QEMU"},
		{"neither", "", "", ""},
		{"one that never ends", strings.Repeat("x", 300), "y", strings.Repeat("x", 256)},
	} {
		fsys := fstest.MapFS{"sys/class/dmi/id/sys_vendor": file(c.vendor), "sys/class/dmi/id/product_name": file(c.product)}
		if got := Model(fsys); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
