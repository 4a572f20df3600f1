"""Completion in zsh, which continues after the "/" of a bucket or prefix."""

from click.shell_completion import ZshComplete, add_completion_class

__all__ = ["URIZshComplete"]

# As click's, except that no space follows a completion that ends in "/".
# https://zsh.sourceforge.io/Doc/Release/Completion-Widgets.html#Completion-Builtin-Commands
_SCRIPT = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local -a names prefixes described response
    (( ! $+commands[%(prog_name)s] )) && return 1

    response=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \\
        %(complete_var)s=zsh_complete %(prog_name)s)}")
    for type key descr in ${response}; do
        if [[ "$type" == "dir" ]]; then
            _path_files -/
        elif [[ "$type" == "file" ]]; then
            _path_files -f
        elif [[ "$type" == "plain" && "$descr" != "_" ]]; then
            described+=("$key":"$descr")
        elif [[ "$type" == "plain" && "$key" == */ ]]; then
            prefixes+=("$key")
        elif [[ "$type" == "plain" ]]; then
            names+=("$key")
        fi
    done
    if (( $#described )); then
        _describe -V unsorted described -U
    fi
    if (( $#prefixes )); then
        compadd -U -S '' -V unsorted -a prefixes
    fi
    if (( $#names )); then
        compadd -U -V unsorted -a names
    fi
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    # autoload from fpath, call function directly
    %(complete_func)s "$@"
else
    # eval/source/. command, register function for later
    compdef %(complete_func)s %(prog_name)s
fi
"""


class URIZshComplete(ZshComplete):
    """Completes URIs up to the next "/", and lets the user go on from there."""

    source_template = _SCRIPT


add_completion_class(URIZshComplete)
