package kernel

import (
	"io/fs"
	"strings"

	"github.com/hotstick/hotstick"
)

// maxClusterName bounds a name in the cluster's configuration, in bytes.
const maxClusterName = 253

// cluster reads corosync.conf(5): sections in braces, and lines of a name and a value.
//
//	totem {
//	        cluster_name: db
//	}
//	nodelist {
//	        node {
//	                name: db-1
//	                ring0_addr: 10.0.0.1
//	        }
//	}
//
// A node without a name bears its first address. No key stands in the file.
func cluster(fsys fs.FS, hostname string) hotstick.ClusterFacts {
	data, err := readFile(fsys, "etc/corosync/corosync.conf", largeFile)
	if err != nil {
		return hotstick.ClusterFacts{}
	}
	var f hotstick.ClusterFacts
	var sections []string
	var name, address string
	for l := range strings.Lines(text(data)) {
		l = strings.TrimSpace(l)
		key, value, _ := strings.Cut(l, ":")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		within := strings.Join(sections, ".")
		switch {
		case strings.HasPrefix(l, "#") || len(value) > maxClusterName:
		case strings.HasSuffix(l, "{"):
			sections = append(sections, strings.TrimSpace(strings.TrimSuffix(l, "{")))
		case l == "}" && len(sections) > 0:
			if within == "nodelist.node" {
				addNode(&f, name, address, hostname)
				name, address = "", ""
			}
			sections = sections[:len(sections)-1]
		case within == "totem" && key == "cluster_name":
			f.Name = value
		case within == "nodelist.node" && key == "name":
			name = value
		case within == "nodelist.node" && key == "ring0_addr":
			address = value
		}
	}
	return f
}

// addNode adds a node. It is this host if it bears the host's name, with its domain or
// without.
func addNode(f *hotstick.ClusterFacts, name, address, hostname string) {
	if name == "" {
		name = address
	}
	if name == "" {
		return
	}
	short, _, _ := strings.Cut(hostname, ".")
	if f.Node == "" && hostname != "" && (name == hostname || name == short || address == hostname || address == short) {
		f.Node = name
	}
	if len(f.Nodes) < hotstick.MaxClusterNodes {
		f.Nodes = append(f.Nodes, name)
	}
}
