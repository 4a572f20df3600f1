"""Listing the objects under a prefix."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..keys.paths import collapse, is_directory_marker
from ..keys.patterns import Patterns
from ..types import ObjectInfo, OnEvent
from .open_location import OpenLocation
from .resolve import resolve
from .skip_report import SkipReport

__all__ = ["list_names", "list_objects"]

_INCOMPLETE = "could not list everything"


async def list_objects(
    source: OpenLocation, patterns: Patterns, on_event: OnEvent | None
) -> AsyncGenerator[ObjectInfo]:
    """List objects while the listing arrives; see `AsyncStorage.objects`."""
    location = source.location
    report = SkipReport(patterns, location.key, on_event, copying=False)
    found = await resolve(source.backend, location.key, source.instance.retry, report.walk)
    if isinstance(found, ObjectInfo):
        if patterns.matches(location.name if found.name is None else found.name):
            yield found
        return
    match_all = patterns.match_all
    async with aclosing(found.objects) as objects:
        async for obj in objects:
            marker = not match_all and is_directory_marker(obj.key, obj.size)
            if match_all or patterns.matches(obj.key[len(found.key) :] if marker else collapse(obj.key, found.key)):
                yield obj
    report.check(_INCOMPLETE)


async def list_names(source: OpenLocation) -> list[str]:
    """List the paths of objects relative to the prefix; see `AsyncStorage.list_objects`."""
    location = source.location
    report = SkipReport(Patterns.of(None, None), location.key, copying=False)
    found = await resolve(source.backend, location.key, source.instance.retry, report.walk)
    if isinstance(found, ObjectInfo):
        return [location.name if found.name is None else found.name]
    async with aclosing(found.objects) as objects:
        keys = [obj.key async for obj in objects if not is_directory_marker(obj.key, obj.size)]
    report.check(_INCOMPLETE)
    return [key[len(found.key) :] for key in keys]
