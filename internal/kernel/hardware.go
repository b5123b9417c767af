package kernel

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hotstick/hotstick/internal/shape"
)

// maxCards bounds the network cards that are named.
const maxCards = 8

var (
	cardPattern    = regexp.MustCompile(`^[0-9a-f]{2}(:[0-9a-f]{2}){5}$`)
	productPattern = shape.All("0-9A-Fa-f-", 36, 36)
)

// hardware names the network cards that are devices, not those made by software,
// and the product where this user may read it.
func hardware(fsys fs.FS) string {
	const net = "sys/class/net"
	var names []string
	entries, _ := fs.ReadDir(fsys, net)
	for _, e := range entries {
		card := path.Join(net, e.Name())
		if !exists(fsys, path.Join(card, "device")) {
			continue
		}
		// A card that a bond took over shows the bond's address as its own.
		address := line(fsys, path.Join(card, "bonding_slave/perm_hwaddr"))
		if address == "" {
			address = line(fsys, path.Join(card, "address"))
		}
		if cardPattern.MatchString(address) && address != "00:00:00:00:00:00" {
			names = append(names, "mac:"+address)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	names = names[:min(len(names), maxCards)]
	if id := line(fsys, "sys/class/dmi/id/product_uuid"); productPattern.MatchString(id) {
		names = append(names, "product:"+strings.ToLower(id))
	}
	return strings.Join(names, " ")
}

// Model is the machine's maker and product; empty where the firmware tells neither.
func Model(fsys fs.FS) string {
	vendor, product := line(fsys, "sys/class/dmi/id/sys_vendor"), line(fsys, "sys/class/dmi/id/product_name")
	model := strings.TrimSpace(strings.TrimSpace(vendor) + " " + strings.TrimSpace(product))
	return strings.ToValidUTF8(model[:min(len(model), maxModel)], "")
}

// maxModel bounds the name of a machine's model, in bytes.
const maxModel = 256
