package show

import (
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

func TestAHostShowsWhatItStandsOnAndWhoIsInItsKernel(t *testing.T) {
	node := api.HostDetail{Host: hosts()[0], Identity: digest, Enrolled: now, Facts: &hotstick.Facts{
		Machine: hotstick.MachineFacts{Virtualisation: "kvm", NUMANodes: 2, Firmware: hotstick.FirmwareFacts{Kind: "uefi", Vendor: "EDK II\x1b[2J", Date: "02/06/2015"},
			Drivers: []hotstick.DeviceDriver{{Class: "net", Driver: "virtio_net", Devices: 2}, {Class: "storage", Driver: "nvme", Devices: 1}}},
		Services: hotstick.ServiceFacts{Running: []string{"containerd.service", "kubelet.service"}, KubernetesNode: "node-7",
			Cluster: hotstick.ClusterFacts{Name: "db", Node: "db-1", Nodes: []string{"db-1", "db-2"}}, RebootRequired: true, RebootFor: []string{"libc6"}},
		Tracing: hotstick.TracingFacts{FunctionsRead: true, MoreFunctions: 60_000, Functions: []hotstick.TracedFunction{
			{Function: "vmlinux:vfs_read", Users: 1, Modifies: true, Handlers: []string{"kprobe_ftrace_handler"}}, {Function: "vmlinux:schedule", Users: 1}},
			Kprobes: []hotstick.Kprobe{{Function: "vmlinux:vfs_read", ByFtrace: true}, {Function: "nfs:nfs_open", Offset: 20}, {Function: "nfs:nfs_read", Offset: 8, Disabled: true}},
			Tracers: []hotstick.Tracer{{Process: "tetragon", Kind: hotstick.TracerTracing, Programs: 1}}},
		Withheld: []string{"sysctls"}}}
	golden(t, "host-surroundings", Host(node, Style{Now: now}))
}
