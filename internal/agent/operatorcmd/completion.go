package operatorcmd

import (
	"fmt"
	"slices"
	"strings"
)

// shells are those for which completion prints a script.
var shells = []string{"bash", "zsh", "fish"}

// completion prints a script that completes the commands and their flags.
func (s *session) completion(args []string) int {
	if len(args) != 1 || !slices.Contains(shells, args[0]) {
		fmt.Fprintln(s.err, "hotstick-agent: want completion bash, completion zsh or completion fish")
		return exitUsage
	}
	names := []string{"join", "run", "completion"}
	for _, c := range commands {
		names = append(names, c.name)
	}
	switch args[0] {
	case "fish":
		s.fish(names)
		return 0
	case "zsh":
		fmt.Fprintln(s.out, "autoload -U +X bashcompinit && bashcompinit")
	}
	fmt.Fprintf(s.out, `_hotstick_agent() {
  local words="%s"
  if [ "$COMP_CWORD" -gt 1 ]; then
    case "${COMP_WORDS[1]}" in
      completion) words="%s" ;;
`, strings.Join(names, " "), strings.Join(shells, " "))
	for _, c := range commands {
		fmt.Fprintf(s.out, "      %s) words=%q ;;\n", c.name, strings.Join(c.flags(), " "))
	}
	fmt.Fprint(s.out, `      *) words="" ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _hotstick_agent hotstick-agent
`)
	return 0
}

func (s *session) fish(names []string) {
	const to = "complete -c hotstick-agent"
	fmt.Fprintf(s.out, "%s -f\n%s -n __fish_use_subcommand -a %q\n", to, to, strings.Join(names, " "))
	fmt.Fprintf(s.out, "%s -n \"__fish_seen_subcommand_from completion\" -a %q\n", to, strings.Join(shells, " "))
	for _, c := range commands {
		for _, flag := range c.flags() {
			option := "-l " + strings.TrimPrefix(flag, "--")
			if !strings.HasPrefix(flag, "--") {
				option = "-s " + strings.TrimPrefix(flag, "-")
			}
			if flag != "--yes" && flag != "--forget" {
				option += " -r"
			}
			fmt.Fprintf(s.out, "%s -n \"__fish_seen_subcommand_from %s\" %s\n", to, c.name, option)
		}
	}
}

// flags are those that the command takes.
func (c command) flags() []string {
	flags := []string{"-o", "--operator-socket", "--state"}
	if c.asks {
		flags = append(flags, "--yes")
	}
	if c.forgets {
		flags = append(flags, "--forget")
	}
	if c.tells {
		flags = append(flags, "--reason")
	}
	return flags
}
