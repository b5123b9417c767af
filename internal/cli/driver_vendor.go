package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/driver/kernelcare"
	"github.com/hotstick/hotstick/internal/driver/kernelcare/eportal"
	"github.com/hotstick/hotstick/internal/driver/ksplice"
)

// Bounds of what vendors' own tools and servers say.
const (
	maxToolText = 4 << 20
	maxPortKey  = 4 << 10
	portalTime  = 30 * time.Second
)

// readCVEs are the systems whose tools name the CVEs that a level of theirs fixes.
var readCVEs = map[string]func(text string) ([]string, error){
	kernelcare.Name: func(text string) ([]string, error) {
		fixes, err := kernelcare.ParsePatchInfo(text)
		var cves []string
		for _, f := range fixes {
			cves = append(cves, f.CVE)
		}
		return cves, err
	},
	ksplice.Name: func(text string) ([]string, error) {
		updates, err := ksplice.ParseShow(text)
		var cves []string
		for _, u := range updates {
			cves = append(cves, u.CVEs()...)
		}
		return cves, err
	},
}

// said is what a vendor's tool says that a level of its own fixes.
type said struct {
	Driver string   `json:"driver"`
	CVEs   []string `json:"cves"`
}

func (a *app) driverCVEs() *cobra.Command {
	return &cobra.Command{
		Use:   "cves DRIVER FILE",
		Short: "Read the CVEs that a vendor's tool says it fixes, for the manifest of a patch",
		Long: `Reads what a vendor's tool printed on a host, and lists the CVEs that it names, one a
line: kcarectl --patch-info (kernelcare), uptrack-show or ksplice kernel show (ksplice).
They are the vendor's word on what a level fixes, for "cves:" in a patch's manifest, and
no evidence that it is in effect anywhere.`,
		Args: exactly("DRIVER", "FILE"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return []string{kernelcare.Name, ksplice.Name}, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			read, known := readCVEs[args[0]]
			if !known {
				return usage("choose kernelcare or ksplice; the notices of the others list their CVEs", "cannot read what the tools of %q say", args[0])
			}
			raw, err := readDocument(args[1], maxToolText)
			if err != nil {
				return err
			}
			cves, err := read(string(raw))
			if err != nil {
				return err
			}
			slices.Sort(cves)
			out := said{Driver: args[0], CVEs: slices.DeleteFunc(slices.Compact(cves), func(s string) bool { return s == "" })}
			if len(out.CVEs) == 0 {
				return fail(exitNotFound, "see hotstick driver cves --help for what to print on a host", "cannot find a CVE in %s", args[1])
			}
			return a.print(view{value: out, names: out.CVEs, text: func(show.Style) string {
				var b bytes.Buffer
				for _, c := range out.CVEs {
					fmt.Fprintln(&b, show.Escape(c))
				}
				return b.String()
			}})
		},
	}
}

// portal says how to reach an ePortal.
type portal struct{ address, key string }

func (p *portal) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.address, "portal", "", "the address of your ePortal, such as https://eportal.example.com")
	cmd.Flags().StringVar(&p.key, "key", "", "a file with an API key of its admin interface")
}

func (p *portal) open() (*eportal.Client, error) {
	if p.address == "" || p.key == "" {
		return nil, usage("--portal URL is your ePortal, --key FILE has an API key of its admin interface", "cannot ask an ePortal without its address and a key")
	}
	key, err := readDocument(p.key, maxPortKey)
	if err != nil {
		return nil, err
	}
	return eportal.New(p.address, string(bytes.TrimSpace(key)), &http.Client{Timeout: portalTime})
}

func (a *app) driverFeeds() *cobra.Command {
	var p portal
	cmd := &cobra.Command{
		Use:   "feeds --portal URL --key FILE",
		Short: "List the feeds of a KernelCare ePortal: the rings by which it gives out patch sets",
		Long: `Lists each feed of an ePortal that a server uses: the newest patch set that it offers,
and which levels its servers reported last. That is the agents' word, a few hours old; what
is in effect says hotstick host list.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.open()
			if err != nil {
				return err
			}
			feeds, err := feeds(cmd.Context(), c)
			if err != nil {
				return err
			}
			return a.print(view{value: map[string]any{"feeds": feeds}, names: show.FeedNames(feeds),
				table: func(st show.Style) show.Table { return show.Feeds(feeds, st) }})
		},
	}
	p.flags(cmd)
	return cmd
}

// feeds are those that servers use, with what each offers.
func feeds(ctx context.Context, c *eportal.Client) ([]show.Feed, error) {
	servers, err := c.Servers(ctx, "")
	if err != nil {
		return nil, err
	}
	byName := map[string]*show.Feed{}
	out := []show.Feed{}
	for _, s := range servers {
		f := byName[s.Feed]
		if f == nil {
			f = &show.Feed{Name: s.Feed, Levels: map[int]int{}}
			byName[s.Feed] = f
		}
		f.Servers++
		f.Levels[s.Level]++
		if f.Oldest.IsZero() || s.CheckedIn.Before(f.Oldest) {
			f.Oldest = s.CheckedIn.Time
		}
	}
	for name, f := range byName {
		sets, err := c.PatchSets(ctx, name)
		if err != nil {
			return nil, err
		}
		f.Offers = eportal.Newest(sets)
		out = append(out, *f)
	}
	slices.SortFunc(out, func(x, y show.Feed) int { return bytes.Compare([]byte(x.Name), []byte(y.Name)) })
	return out, nil
}

func (a *app) driverOffer() *cobra.Command {
	var p portal
	var set string
	var yes, make bool
	cmd := &cobra.Command{
		Use:   "offer FEED --set PATCHSET --portal URL --key FILE",
		Short: "Make a patch set the newest that a feed of a KernelCare ePortal offers",
		Long: `Offers a patch set, with all that are older, in one feed of an ePortal, and takes newer
ones away from it. Agents see no other sets than those of their feed; hosts that Hotstick
has adopted take none by themselves, and one that a recipe names must be offered first.`,
		Args: exactly("FEED"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.open()
			if err != nil {
				return err
			}
			if set == "" {
				return usage("--set PATCHSET is one such as K20230908_02", "cannot offer nothing")
			}
			if err := a.confirm(yes, fmt.Sprintf("Offer %s, and nothing newer, in the feed %s?", set, args[0])); err != nil {
				return err
			}
			if make {
				if err := c.MakeFeed(cmd.Context(), args[0]); err != nil {
					return err
				}
			}
			if err := c.Offer(cmd.Context(), args[0], set); err != nil {
				return err
			}
			return a.print(view{value: map[string]string{"feed": args[0], "offers": set}, names: []string{args[0]},
				text: func(show.Style) string {
					return fmt.Sprintf("%s offers %s\n", show.Escape(args[0]), show.Escape(set))
				}})
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&set, "set", "", "the patch set, such as K20230908_02")
	cmd.Flags().BoolVar(&make, "make", false, "make the feed if there is none, as one that offers nothing by itself")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}
