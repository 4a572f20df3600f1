"""Complete URIs in the shell: buckets, prefixes and objects, as the service lists them."""

import dataclasses
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import click

from ..errors import DeadlineExceeded, StorageError
from ..uri import parse, service_of
from .run import run
from .settings import Settings

__all__ = ["complete_uri"]

# Services that list names below a prefix; local paths are completed by the shell.
_LISTED = {"s3", "gs", "azure", "hf"}
# Somebody waits at the prompt: seconds for the listing, unless --timeout is given, and the most entries of it.
_SECONDS = 5.0
_MOST = 10_000


def complete_uri(settings: Settings, incomplete: str) -> list[str]:
    """The URIs that begin with a text, up to the next "/".

    Args:
        settings: The options that were given before it.
        incomplete: The text, with its "://".

    Returns:
        The URIs; those of buckets and prefixes end in "/". None of them if the service cannot be asked, for any reason:
        the prompt of the shell is no place for errors, and the command itself will report them.
    """
    base = incomplete[: incomplete.rindex("/") + 1]

    async def names() -> list[str]:
        async with aclosing(_names(settings, base)) as found:
            return [base + name async for name in found if f"{base}{name}".startswith(incomplete)]

    try:
        return run(names)
    except (StorageError, click.UsageError, OSError):
        return []


async def _names(settings: Settings, base: str) -> AsyncGenerator[str]:
    """The names that follow a URI up to a "/"."""
    from ..api.async_storage import AsyncStorage  # noqa: PLC0415 - keeps --help fast

    storage = AsyncStorage(dataclasses.replace(settings.limits(), attempts=1))
    timeout = _SECONDS if settings.timeout is None else settings.timeout
    service = service_of(base)
    if service is not None:
        config = settings.config(f"{service}://any", os.environ)
        for bucket in await storage.list_buckets(f"{service}://", config=config, timeout=timeout):
            yield f"{bucket}/"
        return
    location, config = parse(base), settings.config(base, os.environ)
    # In the URL of an account of Azure, names are encoded.
    if location.scheme not in _LISTED or location.account is not None:
        return
    listing = storage.list(base, config=config, delimiter="/", max_items=_MOST, timeout=timeout)
    with suppress(DeadlineExceeded):  # what has arrived may be what is wanted
        async with aclosing(listing) as objects:
            async for obj in objects:
                name = obj.key[len(location.key) :]
                if name and name.isprintable():  # not the marker of the directory itself
                    yield name
