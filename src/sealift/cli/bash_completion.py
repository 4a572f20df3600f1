"""Completion in bash, which splits words at ":", and so within URIs."""

import os

from click.shell_completion import BashComplete, CompletionItem, add_completion_class, split_arg_string

__all__ = ["URIBashComplete"]

# As click's, except that the words come from the line, since bash splits them at each character of COMP_WORDBREAKS.
# https://www.gnu.org/software/bash/manual/html_node/Bash-Variables.html#index-COMP_005fWORDBREAKS
_SCRIPT = """\
%(complete_func)s() {
    local response type value
    response=$(env COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete $1)
    while IFS=',' read -r type value; do
        if [[ $type == 'dir' ]]; then
            COMPREPLY=()
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            COMPREPLY=()
            compopt -o default
        elif [[ $type == 'plain' ]]; then
            if [[ $value == */ ]]; then
                compopt -o nospace
            fi
            printf -v value '%%q' "$value"
            COMPREPLY+=("$value")
        fi
    done <<< "$response"
    return 0
}

%(complete_func)s_setup() {
    complete -o nosort -F %(complete_func)s %(prog_name)s
}

%(complete_func)s_setup;
"""


class URIBashComplete(BashComplete):
    """Completes whole words, whatever COMP_WORDBREAKS is."""

    source_template = _SCRIPT
    _kept = 0  # characters of the incomplete word that bash does not replace

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the complete words after the name of the program, and the incomplete one."""
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)
        ended = line[-1:].isspace() and not line.endswith("\\ ")
        incomplete = words.pop() if words and not ended else ""
        if ":" in os.environ.get("COMP_WORDBREAKS", ""):
            is_option = incomplete.startswith("-") and "=" in incomplete
            value = incomplete.partition("=")[2] if is_option else incomplete
            self._kept = value.rfind(":") + 1
        return words[1:], incomplete

    def format_completion(self, item: CompletionItem) -> str:
        """Format an item as `type,value`: of the value, what bash inserts."""
        return f"{item.type},{item.value[self._kept :]}"


add_completion_class(URIBashComplete)
