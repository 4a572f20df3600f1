"""Listing the objects under a prefix."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..errors import InvalidConfig
from ..keys.paths import collapse, is_directory_marker
from ..keys.patterns import Patterns
from ..types import ObjectInfo, OnEvent
from ..types.argument_checks import check_callback, whole_number
from .open_location import OpenLocation
from .resolve import resolve
from .skip_report import SkipReport

__all__ = ["list_names", "list_objects"]

_INCOMPLETE = "could not list everything"


async def list_objects(
    source: OpenLocation,
    patterns: Patterns,
    on_event: OnEvent | None,
    *,
    delimiter: str | None = None,
    max_items: int | None = None,
) -> AsyncGenerator[ObjectInfo]:
    """List objects while the listing arrives; see `AsyncStorage.list`.

    Raises:
        InvalidConfig: `delimiter` is not "/", or `max_items` is negative.
    """
    if delimiter not in (None, "/"):
        raise InvalidConfig(f"delimiter={delimiter!r} is not supported", hint='use "/" for one level, None for all')
    check_callback(on_event)
    if max_items is not None and (max_items := whole_number("max_items", max_items)) < 0:
        raise InvalidConfig(f"max_items={max_items} is negative", hint="None: no limit")
    location, count = source.location, 0
    report = SkipReport(patterns, location.key, on_event, copying=False)
    found = await resolve(
        source.backend, location.key, source.instance.retry, report.walk, one_level=delimiter is not None
    )
    if isinstance(found, ObjectInfo):
        if max_items != 0 and patterns.matches(location.name if found.name is None else found.name):
            yield found
        return
    async with aclosing(found.objects) as objects:
        if max_items == 0:
            return
        async for obj in objects:
            if patterns.match_all or _matches(patterns, obj, found.key):
                yield obj
                count += 1
                if count == max_items:
                    return
    report.check(_INCOMPLETE)


def _matches(patterns: Patterns, obj: ObjectInfo, prefix: str) -> bool:
    if obj.is_prefix:
        return patterns.may_match_below(obj.key[len(prefix) : -1])
    marker = is_directory_marker(obj.key, obj.size)
    return patterns.matches(obj.key[len(prefix) :] if marker else collapse(obj.key, prefix))


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
