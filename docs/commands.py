"""The reference of the command line, from the commands themselves."""

import re
from collections.abc import Iterator

import click

from sealift.cli import main
from sealift.cli.exit_codes import EXIT_CODES

__all__ = ["reference"]

_INTRODUCTION = """\
# Command line

`sealift COMMAND --help` shows the same as this page. Options of services and limits can be given before or after
the name of the command.
"""


def reference() -> str:
    """Return the page, as Markdown."""
    common = {name for parameter in main.params for name in parameter.opts}
    parts = [_INTRODUCTION, "| command | |", "|---|---|"]
    parts += [
        f"| [`sealift {name}`](#sealift-{name.replace(' ', '-')}) | {_text(command.short_help)} |"
        for name, command in _commands()
    ]
    for name, command in _commands():
        parts += ["", f"## sealift {name}", "", *_command(name, command, common)]
    parts += ["", "## Options of all commands", "", *_options(main, "sealift", set())]
    parts += ["", "## Exit codes", "", "| code | meaning |", "|---|---|"]
    parts += [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    return "\n".join(parts) + "\n"


def _commands(group: click.Group = main, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield all commands and their names, those of groups as "group command"."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def _command(name: str, command: click.Command, common: set[str]) -> Iterator[str]:
    context = click.Context(command, info_name=f"sealift {name}")
    yield "```text"
    yield " ".join([f"sealift {name}", *command.collect_usage_pieces(context)])
    yield "```"
    yield ""
    yield _text(command.help)
    examples = re.search(r"Examples:\n(.*)", command.epilog or "", re.DOTALL)
    if examples:
        yield from ("", "```text")
        yield from (line.removeprefix("  ") for line in examples[1].rstrip().splitlines())
        yield "```"
    yield ""
    yield from _options(command, f"sealift {name}", common)


def _options(command: click.Command, name: str, leave_out: set[str]) -> Iterator[str]:
    """Yield a table for each heading of a command's options."""
    context = click.Context(command, info_name=name)
    tables: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None and not leave_out.intersection(parameter.opts):
            tables.setdefault(getattr(parameter, "heading", None) or "Options", []).append(record)
    for heading in sorted(tables, key=lambda name: name != "Options"):
        yield from (f"| {heading} | |", "|---|---|")
        yield from (f"| `{_cell(names)}` | {_text(text)} |" for names, text in tables[heading])
        yield ""


def _text(text: str | None) -> str:
    """Return a help text as Markdown: a line for each paragraph, options as code."""
    paragraphs = re.split(r"\n\s*\n", (text or "").replace("\b", "").strip())
    parts = re.split(r"(`[^`]+`)", "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs))
    return "".join(part if part.startswith("`") else _escaped(part) for part in parts)


def _cell(code: str) -> str:
    return code.replace("|", "\\|")


def _escaped(text: str) -> str:
    escaped = re.sub(r"([\\*_\[\]|])", r"\\\1", text).replace("<", "&lt;")
    return re.sub(r"(?<![\w-])--[a-z][a-z-]*", r"`\g<0>`", escaped)
