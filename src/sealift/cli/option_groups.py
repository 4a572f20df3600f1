"""Options under headings in the help page of a command."""

from typing import Any

import click

__all__ = ["Command", "GroupedOption"]


class GroupedOption(click.Option):
    """An option that is listed under a heading.

    Args:
        heading: The heading. None: "Options".
    """

    def __init__(self, *args: Any, heading: str | None = None, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.heading = heading


class Command(click.Command):
    """A command whose help page lists options under their headings, after those without one."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options."""
        write_options(self, ctx, formatter)


def write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the options of a command, under their headings."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
        if record is not None:
            sections.setdefault(getattr(parameter, "heading", None) or "Options", []).append(record)
    for heading in sorted(sections, key=lambda name: name != "Options"):
        with formatter.section(heading):
            formatter.write_dl(sections[heading])
