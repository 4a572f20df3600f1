"""Lines of output that several commands print."""

import json
from datetime import datetime
from typing import Any

from ..types import Event
from .escaping import printable

__all__ = ["json_line", "skipped_line"]


def json_line(**fields: Any) -> str:
    """Format a JSON object on one line; times are in ISO 8601."""
    return json.dumps(fields, default=datetime.isoformat)


def skipped_line(name: str, event: Event) -> str:
    """Format the warning about a skipped entry, on one line.

    Args:
        name: The name of the entry, as the user would write it.
        event: The event of the kind "skipped".
    """
    return printable(f"skipped: {name}: {event.reason}")
