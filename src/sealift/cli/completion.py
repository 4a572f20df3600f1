"""`sealift completion`."""

import click
from click.shell_completion import get_completion_class

from . import bash_completion, zsh_completion  # noqa: F401 - they replace click's completion for these shells
from .exit_codes import FAILURE
from .option_groups import Command

__all__ = ["completion"]


@click.command(
    cls=Command,
    short_help="Print a shell completion script.",
    epilog="""\b
Examples:
  sealift completion bash > ~/.local/share/bash-completion/completions/sealift
  eval "$(sealift completion zsh)"                                in ~/.zshrc, after compinit
  sealift completion fish > ~/.config/fish/completions/sealift.fish
""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes the commands, options, paths and URIs of sealift in SHELL.

    The buckets, prefixes and objects of s3://, gs://, azure:// and hf:// are those that the service lists, with the
    options that the command line has so far. What cannot be listed within 5 seconds, or those of --timeout, is not
    completed.
    """
    kind = get_completion_class(shell)
    if kind is None:
        ctx.exit(FAILURE)
    script = kind(ctx.find_root().command, {}, "sealift", "_SEALIFT_COMPLETE")
    click.echo(script.source())
