"""Get what a URI names from the cache: find it, wait for the process that downloads it, or download it."""

from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import Any

from ..backends.local import LocalBackend
from ..instance import Instance
from ..operations.call_options import CallOptions
from ..operations.open_location import OpenLocation
from ..runtime.shielded import shielded
from .cache_events import report_hit, report_outcome
from .ownership import Owner
from .requests import Request
from .single_flight import complete
from .snapshot_plan import SnapshotPlan
from .store import Found, Store

__all__ = ["find_in_thread", "find_snapshot", "obtain"]


async def obtain(
    source: OpenLocation, store: Store, plan: SnapshotPlan, options: CallOptions, request: str, *, fixed: bool
) -> str | None:
    """Make sure that a cache has what a URI names now.

    Args:
        source: Object or prefix.
        store: The caches.
        plan: What it names.
        options: Options of the call.
        request: The call's `request_id`.
        fixed: Whether it names a version that cannot change.

    Returns:
        The ID of the snapshot. Take a lease on it before you use it. None: it is in no cache, and none is written to.
    """
    instance, uri = source.instance, str(source.location)
    disk = LocalBackend("/", instance.disk)

    async def is_complete() -> bool:
        found = await find_snapshot(instance, store, plan.snapshot)
        if found is not None:
            await shielded(instance.disk.run(found.release))
        return found is not None

    if not store.is_writable:
        if not await is_complete():
            return None
        report_outcome("hit", uri, plan.size, options.on_event)
        report_hit(uri, plan.size, options.on_event)
        return plan.snapshot

    def load() -> Callable[[], Coroutine[Any, Any, None]]:
        fill = import_module(".fill", __package__).fill
        return lambda: fill(source, plan, store, options)

    cache = store.cache
    owner = Owner(cache.file("owners", plan.snapshot), store.settings.takeover, cache.mode)
    outcome = await complete(instance, owner, plan.size, is_complete, load)
    report_outcome(outcome, uri, plan.size, options.on_event)
    if outcome in {"hit", "waited"}:
        report_hit(uri, plan.size, options.on_event)
    got = Request(plan.snapshot, 0.0, fixed, plan.versioned)
    await disk.run(lambda: store.note(request, got, uri))
    return plan.snapshot


async def find_snapshot(instance: Instance, store: Store, snapshot: str) -> Found | None:
    """Find a snapshot, and take a lease on it; see `Store.find`."""
    return await find_in_thread(instance, lambda: store.find(snapshot))


async def find_in_thread(instance: Instance, find: Callable[[], Found | None]) -> Found | None:
    """Run a search in a thread. A cancelled call keeps no lease."""
    found: list[Found] = []

    def search() -> None:
        if (one := find()) is not None:
            found.append(one)

    try:
        await LocalBackend("/", instance.disk).run(search)
    except BaseException:
        for each in found:
            await shielded(instance.disk.run(each.release))
        raise
    return found[0] if found else None
