"""Parse JSON from an untrusted file, without the liberties that Python's parser takes."""

import json
from collections import Counter
from typing import Any, NoReturn

from ..errors import TensorFileError
from .shown import shown

__all__ = ["parse_object"]


def parse_object(data: bytes, what: str) -> dict[str, Any]:
    """Parse a JSON object in UTF-8, whose numbers are integers.

    Args:
        data: The text.
        what: What it is, for errors: "the header", "the index".

    Raises:
        TensorFileError: It is something else, an object in it has a name twice (also if one is escaped), or a string
            is not Unicode.
    """

    def not_integer(text: str) -> NoReturn:
        raise TensorFileError(f"{what} contains the number {text[:40]}, which is not an integer")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
            raise TensorFileError(f"{what} has {shown(twice)} twice")
        # Fails on a lone surrogate, which JSON can express by an escape.
        "".join([*found, *(value for value in found.values() if isinstance(value, str))]).encode()
        return found

    try:
        text = data.decode("utf-8")
        found = json.loads(text, object_pairs_hook=unique, parse_float=not_integer, parse_constant=not_integer)
    except UnicodeError:
        raise TensorFileError(f"{what} contains text that is not Unicode") from None
    except (ValueError, RecursionError):
        raise TensorFileError(f"{what} is not valid JSON") from None
    if not isinstance(found, dict):
        raise TensorFileError(f"{what} is not a JSON object")
    return found
