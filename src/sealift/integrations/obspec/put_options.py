"""The options of a `put`: those of `obspec.Put`."""

from collections.abc import Mapping
from typing import Any

from ...types.properties import HEADERS
from ...types.write_options import WriteOptions
from .exceptions import NotSupportedError

__all__ = ["write_options_of"]

_CHOSEN_BY_SEALIFT = {"use_multipart", "chunk_size", "max_concurrency"}
_HEADERS = {header.lower(): name for header, name in HEADERS.items()}


def write_options_of(options: Mapping[str, Any]) -> WriteOptions | None:
    """What to store with an object.

    Args:
        options: The options of the call. Of the `attributes`, those with the name of a header are headers, and the
            others are user metadata.

    Returns:
        The options; None: there are none.

    Raises:
        NotSupportedError: There is a `mode` other than "overwrite".
        InvalidConfig: A value cannot be sent.
        TypeError: There is no such option.
    """
    for name, value in options.items():
        if name == "mode":
            if value is not None and value != "overwrite":
                raise NotSupportedError(f"mode={value!r} is not supported: most services cannot do it atomically")
        elif name not in {"attributes", "tags", *_CHOSEN_BY_SEALIFT}:
            raise TypeError(f"put() got an unexpected keyword argument {name!r}")
    attributes, tags = options.get("attributes") or {}, options.get("tags") or None
    headers = {_HEADERS[name.lower()]: value for name, value in attributes.items() if name.lower() in _HEADERS}
    metadata = {name: value for name, value in attributes.items() if name.lower() not in _HEADERS}
    if not attributes and tags is None:
        return None
    return WriteOptions(**headers, metadata=metadata or None, tags=tags)
