package kernel

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/shape"
)

// kubelets are the units that run a kubelet, some with much else beside it.
var kubelets = []string{"k3s-agent.service", "k3s.service", "kubelet.service", "rke2-agent.service", "rke2-server.service", "snap.microk8s.daemon-kubelite.service"}

// MindedUnits returns the units of which is told whether they run, in order.
func MindedUnits() []string {
	units := append([]string{"containerd.service", "corosync.service", "crio.service", "docker.service", "libvirtd.service", "pacemaker.service",
		"pacemaker_remote.service", "podman.service", "virtqemud.service"}, kubelets...)
	slices.Sort(units)
	return units
}

// systemSlices are the control groups in which systemd keeps the system's units: the unified one,
// and the one of before.
var systemSlices = []string{"sys/fs/cgroup/system.slice/", "sys/fs/cgroup/systemd/system.slice/"}

// maxNodeName bounds the name of a node, in bytes: a name in Kubernetes has at most so many.
const maxNodeName = 253

// readServices reads what runs that a patch has to mind. A unit runs while it has a control
// group.
func readServices(fsys fs.FS, hostname string) hotstick.ServiceFacts {
	var f hotstick.ServiceFacts
	for _, unit := range MindedUnits() {
		for _, slice := range systemSlices {
			if !exists(fsys, slice+unit) {
				continue
			}
			f.Running = append(f.Running, unit)
			if f.KubernetesNode == "" && slices.Contains(kubelets, unit) {
				f.KubernetesNode = nodeName(fsys, slice+unit, hostname)
			}
			break
		}
	}
	f.Cluster = cluster(fsys, hostname)
	f.RebootRequired = exists(fsys, "run/reboot-required")
	if f.RebootRequired {
		f.RebootFor = rebootFor(fsys)
	}
	return f
}

var nodePattern = shape.Of("a-z0-9", "a-z0-9.-", 1, maxNodeName)

// nodeName is what the kubelet in a control group registers as; empty where none is a
// program of its own, as in k3s, which hides its options. Of the command line nothing but
// that name is kept.
func nodeName(fsys fs.FS, group, hostname string) string {
	for pid := range strings.Lines(line(fsys, group+"/cgroup.procs")) {
		n, err := strconv.ParseUint(strings.TrimSpace(pid), 10, 31)
		if err != nil {
			continue
		}
		command, err := readFile(fsys, "proc/"+strconv.FormatUint(n, 10)+"/cmdline", largeFile)
		args := strings.Split(strings.TrimRight(string(command), "\x00"), "\x00")
		if err != nil || path.Base(args[0]) != "kubelet" {
			continue
		}
		name, named := value(args, "hostname-override")
		if provider, _ := value(args, "cloud-provider"); !named && (provider == "" || provider == "external") {
			name = hostname
		}
		if name = strings.ToLower(name); nodePattern.MatchString(name) {
			return name
		}
		return ""
	}
	return ""
}

// value returns what an option has, written --NAME=VALUE or --NAME VALUE.
func value(args []string, name string) (string, bool) {
	for i, arg := range args {
		if v, is := strings.CutPrefix(arg, "--"+name+"="); is {
			return v, true
		}
		if arg == "--"+name && i+1 < len(args) {
			return args[i+1], true
		}
	}
	return "", false
}

// maxPackageName bounds the name of a package, in bytes.
const maxPackageName = 128

// rebootFor lists the packages for which Debian asks for a reboot, each once.
func rebootFor(fsys fs.FS) []string {
	data, err := readFile(fsys, "run/reboot-required.pkgs", largeFile)
	if err != nil {
		return nil
	}
	var packages []string
	for p := range strings.Lines(text(data)) {
		if p = strings.TrimSpace(p); p != "" && len(p) <= maxPackageName {
			packages = append(packages, p)
		}
	}
	slices.Sort(packages)
	packages = slices.Compact(packages)
	return packages[:min(len(packages), hotstick.MaxRebootFor)]
}
