package operatorcmd

import (
	"fmt"
	"strings"
)

// completion prints a script that completes the commands and their flags.
func (s *session) completion(args []string) int {
	if len(args) != 1 || args[0] != "bash" && args[0] != "zsh" {
		fmt.Fprintln(s.err, "hotstick-agent: want completion bash or completion zsh")
		return exitUsage
	}
	names := []string{"join", "run", "completion"}
	for _, c := range commands {
		names = append(names, c.name)
	}
	if args[0] == "zsh" {
		fmt.Fprintln(s.out, "autoload -U +X bashcompinit && bashcompinit")
	}
	fmt.Fprintf(s.out, `_hotstick_agent() {
  local words="%s"
  if [ "$COMP_CWORD" -gt 1 ]; then
    case "${COMP_WORDS[1]}" in
      completion) words="bash zsh" ;;
`, strings.Join(names, " "))
	for _, c := range commands {
		flags := "-o --operator-socket --state"
		if c.asks {
			flags += " --yes"
		}
		if c.tells {
			flags += " --reason"
		}
		fmt.Fprintf(s.out, "      %s) words=%q ;;\n", c.name, flags)
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
