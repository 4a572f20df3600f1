"""Validation shared by the configuration classes."""

import os
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ..errors import InvalidConfig

__all__ = ["check_positive", "check_strings", "flag", "paths_as_text"]

# Control characters could inject a header or a second request.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# The types of fields that are checked, and of their values once paths have become text.
_TYPES: dict[Any, tuple[type, ...]] = {
    bool: (bool,),
    str | None: (str, type(None)),
    str | os.PathLike[str] | None: (str, type(None)),
    bool | str | os.PathLike[str]: (str, bool),
}


def paths_as_text(config: Any) -> None:
    """Replace each `os.PathLike` in the fields of a new configuration by its text."""
    for field in fields(config):
        value = getattr(config, field.name)
        if isinstance(value, os.PathLike):
            object.__setattr__(config, field.name, os.fspath(value))


def check_strings(config: Any) -> None:
    """Reject values of the wrong type, strings that cannot be sent, and endpoints that contain credentials.

    The messages show no value that may be a secret.
    """
    kind = type(config).__name__
    for each in fields(config):
        name, value = each.name, getattr(config, each.name)
        types = _TYPES.get(each.type)
        if types is not None and not isinstance(value, types):
            wanted = " or ".join(type_.__name__ for type_ in types if type_ is not type(None))
            raise InvalidConfig(f"{kind}({name}=…) is of type {type(value).__name__}", hint=f"pass a {wanted}")
        if isinstance(value, str) and _CONTROL.search(value):
            raise InvalidConfig(
                f"{kind}({name}=…) contains a control character", hint="remove it, for example a trailing newline"
            )
        if isinstance(value, str) and not each.repr and not _is_utf8(value):  # only secrets: a path may be any bytes
            raise InvalidConfig(
                f"{kind}({name}=…) contains a byte that is not UTF-8", hint="check the text that was passed"
            )
    endpoint: str | None = getattr(config, "endpoint_url", None) or getattr(config, "endpoint", None)
    if endpoint is None:
        return
    name = "endpoint" if hasattr(config, "endpoint") else "endpoint_url"
    if any(mark in endpoint for mark in "@?#"):
        raise InvalidConfig(
            f"{kind}({name}=…) contains more than a host, port and path",
            hint="use https://host or https://host:port/path",
        )
    if not endpoint.startswith(("http://", "https://")):
        raise InvalidConfig(f"{kind}({name}={endpoint!r}) is not a URL", hint="start it with http:// or https://")


def check_positive(config: Any, name: str) -> None:
    """Reject a number that is not positive; None is accepted."""
    value = getattr(config, name)
    if value is not None and not value > 0:
        raise InvalidConfig(f"{type(config).__name__}({name}={value!r}) is not positive")


def _is_utf8(text: str) -> bool:
    """Whether a text can be encoded; an environment variable may hold any bytes."""
    return not any("\ud800" <= each <= "\udfff" for each in text)


def flag(environ: Mapping[str, str], *names: str) -> bool | None:
    """Return the first of these environment variables that is set, as a boolean; None if none is set."""
    for name in names:
        text = environ.get(name, "").strip().lower()
        if text in {"1", "true", "yes", "on"}:
            return True
        if text in {"0", "false", "no", "off"}:
            return False
        if text:
            raise InvalidConfig(f"the environment variable {name} is {text!r}", hint="set it to true or false")
    return None
