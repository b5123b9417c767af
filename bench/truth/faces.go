package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/demo/house"
)

// face is one of the four that tell people what hosts run.
type face struct {
	name string
	read func(context.Context) ([]said, error)
}

// said is what a face said: of one host, or a number of hosts.
type said struct {
	claim
	number int
	counts bool
}

// level writes NAME@LEVEL, and nothing for none.
func level(ref hotstick.PatchRef) string {
	if ref.IsZero() {
		return ""
	}
	return ref.String()
}

func ofHosts(hosts []api.Host) []said {
	var out []said
	for _, h := range hosts {
		out = append(out, said{claim: claim{host: h.Name, state: h.State, level: level(h.InEffect), saysLevel: true}})
	}
	return out
}

// apiFace asks the API as any client does.
func apiFace(c *client.Client) face {
	return face{"api", func(ctx context.Context) ([]said, error) {
		hosts, err := c.AllHosts(ctx, client.HostQuery{})
		return ofHosts(hosts), err
	}}
}

// cliFace runs hotstick host list.
func cliFace(h *house.House) face {
	return face{"cli", func(ctx context.Context) ([]said, error) {
		r, err := h.Must(ctx, "host", "list", "-o", "json")
		if err != nil {
			return nil, err
		}
		hosts, err := readList(r.Out)
		return ofHosts(hosts), err
	}}
}

// readList reads the command's answer: a list of hosts.
func readList(out string) ([]api.Host, error) {
	var hosts []api.Host
	if err := json.Unmarshal([]byte(out), &hosts); err == nil {
		return hosts, nil
	}
	var page api.HostList
	if err := json.Unmarshal([]byte(out), &page); err != nil || page.Hosts == nil {
		return nil, fmt.Errorf("cannot read hosts from %.200q", out)
	}
	return page.Hosts, nil
}

var gauge = regexp.MustCompile(`(?m)^hotstick_hosts\{state="([a-z]+)"\} (\d+)$`)

// metricsFace scrapes /metrics, which counts hosts by what the screens show them as.
func metricsFace(h *house.House) (face, error) {
	authority, err := h.Authority()
	if err != nil {
		return face{}, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}}}
	return face{"metrics", func(ctx context.Context) ([]said, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+h.Listen+"/metrics", nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+h.Token)
		res, err := web.Do(req)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
		if err != nil {
			return nil, err
		}
		return readMetrics(string(text))
	}}, nil
}

// countedWords are the words whose hosts the metrics are asked for.
const countedWords = 2

// readMetrics takes the counts of the words that claim to know what a kernel runs.
func readMetrics(text string) ([]said, error) {
	var out []said
	for _, m := range gauge.FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			return nil, fmt.Errorf("cannot read the metric %q", m[0])
		}
		if m[1] == wordApplied || m[1] == wordUnpatched {
			out = append(out, said{claim: claim{state: m[1]}, number: n, counts: true})
		}
	}
	if len(out) != countedWords {
		return nil, fmt.Errorf("cannot find hotstick_hosts among %d bytes of metrics", len(text))
	}
	return out, nil
}

// browser is Chromium with the console's host list open.
type browser struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// openConsole opens the page and waits until it shows a host. web is the console's
// folder with its node_modules.
func openConsole(ctx context.Context, script, web string, h *house.House) (*browser, error) {
	cmd := exec.CommandContext(ctx, "node", script, web, "https://"+h.Listen, h.Token)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot open the console: %w", err)
	}
	b := &browser{cmd, in, bufio.NewReader(out)}
	var first struct{ Ready bool }
	if err := b.line(&first); err != nil || !first.Ready {
		return nil, fmt.Errorf("cannot open the console in Chromium: %v (its packages: npm ci in %s)", err, web)
	}
	return b, nil
}

func (b *browser) line(into any) error {
	text, err := b.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("cannot read from the browser: %w", err)
	}
	return json.Unmarshal(text, into)
}

// close ends the browser: the script ends with its input.
func (b *browser) close() error {
	b.in.Close()
	return b.cmd.Wait()
}

// face reads the rows of the open page.
func (b *browser) face() face {
	return face{"console", func(context.Context) ([]said, error) {
		if _, err := io.WriteString(b.in, "\n"); err != nil {
			return nil, err
		}
		var page struct {
			Hosts []struct{ Name, State, Level string }
		}
		if err := b.line(&page); err != nil {
			return nil, err
		}
		var out []said
		for _, h := range page.Hosts {
			out = append(out, said{claim: claim{host: h.Name, state: h.State, level: shownLevel(h.Level), saysLevel: true}})
		}
		return out, nil
	}}
}

// shownLevel turns the words of a row into a level: "as booted" is none.
func shownLevel(text string) string {
	if text == "as booted" {
		return ""
	}
	return strings.TrimPrefix(text, "was ")
}
