"""Read JSON of untrusted files member by member, without the liberties that Python's parser takes.

A parser that builds everything first may take 25 times the size of the text, for example for `[[],[],[],…]`. Here only
one value of limited length is built at a time.
"""

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NoReturn

from ..errors import TensorFileError
from ..types import KiB
from .shown import shown

__all__ = ["JsonReader"]

_SPACES = re.compile(rb"[ \t\n\r]*+")
_BLANKS = re.compile(rb" *+")
_SIGN = re.compile(rb"[ \t\n\r]*+([{}:,])")
_STRING = re.compile(rb'[ \t\n\r]*+"([^"\\\x00-\x1f]*+)"')  # without escapes
_NAME = re.compile(_STRING.pattern + rb"[ \t\n\r]*+:")
# Bytes of a name: ten times what the longest ones have.
_MAX_NAME = 4 * KiB
# A value is looked for in so many bytes, and if it is longer, in `_GROWTH` times as many.
_WINDOW = 512
_GROWTH = 8


class JsonReader:
    """Reads JSON objects in UTF-8 member by member, in order.

    Args:
        data: The text.
        what: What it is, for errors: "the header", "the index".

    Example:
        >>> reader = JsonReader(b'{"a": {"b": 1}, "c": "d"}', "the header")
        >>> {name: reader.value(100) for name in reader.names()}
        {'a': {'b': 1}, 'c': 'd'}
    """

    def __init__(self, data: bytes | bytearray | memoryview, what: str) -> None:
        self._data = memoryview(data)
        self._position = 0
        self._what = what
        options: dict[str, Any] = {"object_pairs_hook": self._unique, "parse_constant": self._not_integer}
        self._any_number = json.JSONDecoder(**options)
        self._integers = json.JSONDecoder(**options, parse_float=self._not_integer)

    def names(self) -> Iterator[str]:
        """Yield the names of the object that begins here. The caller reads each value before the next name.

        Raises:
            TensorFileError: There is no object, or it has a name twice, also if one is escaped.
        """
        seen: set[str] = set()
        self._sign(b"{")
        if self.at(b"}"):
            self._sign(b"}")
            return
        while True:
            name = self._name()
            if name in seen:
                raise self._twice(name)
            seen.add(name)
            yield name
            if self._sign(b",}") == b"}":
                return

    def at(self, sign: bytes) -> bool:
        """Whether the next character, after spaces, is this one; b"": there is none."""
        self._position = self._after_spaces()
        return self._data[self._position : self._position + 1] == sign

    def string(self, most: int) -> str:
        """Read a string.

        Args:
            most: Bytes that it may have.

        Raises:
            TensorFileError: It is something else, not Unicode, or longer.
        """
        if not (found := _STRING.match(self._data, self._position)):  # an escape, or no string
            value = self.value(most)
            if not isinstance(value, str):
                raise self._invalid()
            return value
        if len(found[1]) > most:
            raise self._too_long(most)
        self._position = found.end()
        return self._decoded(found[1])

    def value(self, most: int, *, any_number: bool = False) -> Any:
        """Read any value.

        Args:
            most: Bytes that it may have. Building it may take 25 times as much.
            any_number: Whether numbers may be other than integers.

        Raises:
            TensorFileError: It is not valid, or longer; or an object in it has a name twice.
        """
        start, size = self._after_spaces(), min(_WINDOW, most)
        decoder = self._any_number if any_number else self._integers
        while True:
            window = bytes(self._data[start : start + size])
            is_cut = start + size < len(self._data)
            text = self._decoded(window, final=not is_cut)
            try:
                value, end = decoder.raw_decode(text)
                break
            except (ValueError, RecursionError) as error:
                if not is_cut or isinstance(error, RecursionError):
                    raise self._invalid() from None
                if size == most:
                    raise self._too_long(most) from None
            size = min(size * _GROWTH, most)
        self._position = start + (end if text.isascii() else len(text[:end].encode()))
        if isinstance(value, str):
            self._check_unicode(value)
        return value

    def only_spaces_follow(self) -> bool:
        """Whether nothing else follows; line breaks are something else."""
        return _BLANKS.fullmatch(self._data, self._position) is not None

    def _name(self) -> str:
        if found := _NAME.match(self._data, self._position):
            if len(found[1]) > _MAX_NAME:
                raise self._too_long(_MAX_NAME)
            self._position = found.end()
            return self._decoded(found[1])
        name = self.string(_MAX_NAME)
        self._sign(b":")
        return name

    def _sign(self, expected: bytes) -> bytes:
        found = _SIGN.match(self._data, self._position)
        if found is None or found[1] not in expected:
            raise self._invalid()
        self._position = found.end()
        return found[1]

    def _after_spaces(self) -> int:
        found = _SPACES.match(self._data, self._position)
        assert found is not None  # noqa: S101 - for mypy: it matches nothing, too
        return found.end()

    def _decoded(self, data: bytes, *, final: bool = True) -> str:
        """Decode text; unless `final`, its last character may be cut."""
        try:
            return data.decode() if final else codecs.getincrementaldecoder("utf-8")().decode(data)
        except UnicodeError:
            raise self._not_unicode() from None

    def _unique(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
            raise self._twice(twice)
        self._check_unicode("".join([*found, *(value for value in found.values() if isinstance(value, str))]))
        return found

    def _check_unicode(self, text: str) -> None:
        """Raise for a lone surrogate, which JSON can express by an escape."""
        try:
            text.encode()
        except UnicodeError:
            raise self._not_unicode() from None

    def _not_integer(self, text: str) -> NoReturn:
        raise TensorFileError(f"{self._what} contains the number {text[:40]}, which is not an integer")

    def _twice(self, name: str) -> TensorFileError:
        return TensorFileError(f"{self._what} has {shown(name)} twice")

    def _not_unicode(self) -> TensorFileError:
        return TensorFileError(f"{self._what} contains text that is not Unicode")

    def _too_long(self, most: int) -> TensorFileError:
        return TensorFileError(f"{self._what} is not valid JSON, or has a name or value of more than {most} bytes")

    def _invalid(self) -> TensorFileError:
        return TensorFileError(f"{self._what} is not valid JSON")
