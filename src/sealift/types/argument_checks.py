"""Checks of the arguments of calls: the errors name the argument, and are raised before anything is done."""

import os
from collections.abc import Iterable
from operator import index
from typing import Any

from ..errors import InvalidConfig

__all__ = ["check_callback", "check_choice", "checked_items", "checked_pair", "path_text", "whole_number", "wrong_type"]


def wrong_type(name: str, value: object, expected: str) -> InvalidConfig:
    """The error for an argument of the wrong type. It does not show the value, which may be a secret."""
    return InvalidConfig(f"{name}=… is of type {type(value).__name__}", hint=f"pass {expected}")


def check_callback(on_event: object) -> None:
    """Raise InvalidConfig if `on_event` cannot be called."""
    if on_event is not None and not callable(on_event):
        raise wrong_type("on_event", on_event, "a function that takes an Event")


def check_choice(name: str, value: object, *choices: object) -> None:
    """Raise InvalidConfig if an argument is none of its possible values."""
    if value not in choices:  # a tuple: the value need not be hashable
        *others, last = map(repr, choices)
        raise InvalidConfig(f"{name}={value!r} is not {', '.join(others)} or {last}")


def whole_number(name: str, value: Any) -> int:
    """Return an integer of any type, such as numpy's, as an int.

    Raises:
        InvalidConfig: It is not an integer.
    """
    try:
        return index(value)
    except TypeError:
        raise wrong_type(name, value, "an int") from None


def path_text(name: str, value: Any) -> str:
    """Return the text of a path or URI.

    Raises:
        InvalidConfig: It is neither a str nor an `os.PathLike` of one.
    """
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        raise wrong_type(name, text, "a str or a path")
    return text


def checked_items(name: str, items: Any) -> Iterable[Any]:
    """Return several items, which must not be a single text or path.

    Raises:
        InvalidConfig: They are one, or nothing to iterate over.
    """
    if isinstance(items, str | bytes | os.PathLike) or not isinstance(items, Iterable):
        raise wrong_type(name, items, "a list or another iterable")
    return items


def checked_pair(name: str, item: Any, parts: str) -> tuple[Any, Any]:
    """Return an item of an iterable that has two parts.

    Args:
        name: Name of the argument.
        item: The item.
        parts: What they are, such as "(src, uri)".

    Raises:
        InvalidConfig: It is not a pair.
    """
    pair: Iterable[Any] = () if isinstance(item, str | bytes) else item
    try:
        first, second = pair
    except (TypeError, ValueError):
        raise InvalidConfig(f"an item of {name} is not a pair {parts}") from None
    return first, second
