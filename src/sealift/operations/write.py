"""Storing bytes, or a stream of bytes, as an object or a local file."""

import os
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

from ..backends.local import LocalBackend, destination
from ..contract import Backend
from ..engine.copied_properties import written_properties
from ..engine.verification import SIZE_ONLY, Verification
from ..engine.write import ObjectWriter
from ..errors import InvalidConfig, InvalidURI, ObjectExists
from ..integrity import checksums
from ..keys.paths import is_work_directory
from ..runtime.shielded import shielded
from ..types import Event, ObjectInfo
from .call_options import CallOptions
from .content import as_chunks, as_view
from .copy import check_writable
from .existing_objects import find_object, refuse
from .open_location import OpenLocation
from .skip_report import report_kept

__all__ = ["write"]


async def write(
    place: OpenLocation,
    content: Any | Iterable[bytes] | AsyncIterable[bytes],
    options: CallOptions,
) -> ObjectInfo:
    """Store bytes or a stream; see `AsyncStorage.write`.

    Returns:
        The stored object.
    """
    check_writable(place, options.write_options)
    key = place.location.key
    if not key or key.endswith("/"):
        cause = "the URI names a prefix, not an object" if key else "the URI names a bucket, not an object"
        raise InvalidURI(cause, hint="add the name of the object", uri=str(place.location))

    def on_progress(size: int) -> None:
        if options.on_event is not None:
            options.on_event(Event("progress", key, size, target=key))

    view = as_view(content)
    async with _opened(place, options) as (backend, name):
        if options.existing != "overwrite":
            there = await find_object(backend, name, place.instance)
            if there is not None and options.existing == "fail":
                refuse(f"/{key}" if place.on_disk else key)
            if there is not None:
                return _kept(there, key, options)
        verification = Verification(options.verify, backend)
        properties = written_properties(None, key, options.write_options)
        overwrite = options.existing == "overwrite"
        writer = ObjectWriter(backend, place.instance, name, verification, properties, on_progress, overwrite=overwrite)
        try:
            if view is not None:
                stored = await writer.write_bytes(view)
            else:
                async with aclosing(as_chunks(content)) as chunks:
                    stored = await writer.write_stream(chunks)
        except ObjectExists:  # it has just appeared
            there = await find_object(backend, name, place.instance) if options.existing == "skip" else None
            if there is None:
                raise
            return _kept(there, key, options)
    stored = replace(stored, key=key)
    if options.on_event is not None:
        verified = checksums.best(stored.checksums, combinable=False) if verification.wanted else None
        options.on_event(Event("object", key, stored.size or 0, verified or SIZE_ONLY, target=key, total=stored.size))
    return stored


def _kept(there: ObjectInfo, key: str, options: CallOptions) -> ObjectInfo:
    there = replace(there, key=key)
    report_kept(there, key, options.on_event)
    return there


@asynccontextmanager
async def _opened(place: OpenLocation, options: CallOptions) -> AsyncGenerator[tuple[Backend, str]]:
    """The backend to store the object with, and its key there. A local file is written beside its final name."""
    if not place.on_disk:
        yield place.backend, place.location.key
        return
    path, disk = f"/{place.location.key}", place.instance.disk
    file = await LocalBackend("/", disk).run(lambda: destination(path, follow=True))
    directory, name = os.path.split(file)
    if is_work_directory(name):
        raise InvalidConfig(f"{path} is where sealift keeps temporary files", hint="choose another name")
    target = LocalBackend(directory, disk, durability=options.durability)
    try:
        yield target, name
    finally:
        await shielded(target.aclose())
