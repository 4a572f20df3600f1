"""Get what an hf:// URI names from the cache of huggingface_hub: find it there, or download it to there."""

import os
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from importlib import import_module
from typing import Any

from ..backends.local import LocalBackend
from ..config import HFConfig, StorageConfig
from ..config.cache import hub_cache
from ..errors import UnsafeKey
from ..frozen_dataclass import dataclass
from ..instance import Instance
from ..keys import paths
from ..operations.call_options import CallOptions
from ..operations.open_location import OpenLocation
from ..types import ObjectInfo, Revalidate
from ..uri import Location
from .cache_events import report_hit, report_outcome
from .hub_repository import HubRepository, blob_of
from .ownership import Owner
from .single_flight import complete
from .snapshot_plan import SnapshotPlan

__all__ = ["HubFile", "HubFound", "find_in_hub", "hub_repository", "obtain_from_hub", "why_unknown"]

_MAIN = "main"
_HUB = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class HubFound:
    """A file or directory in the cache of huggingface_hub.

    Attributes:
        path: Its path.
        size: Bytes of the selected files.
    """

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file that a call wants.

    Attributes:
        obj: The file at the hub.
        path: Its path in the snapshot of the call.
        repository_path: Its path in the repository.
        blob: The name of its blob.
    """

    obj: ObjectInfo
    path: str
    repository_path: str
    blob: str


def hub_repository(instance: Instance, location: Location, config: StorageConfig | None) -> HubRepository | None:
    """The repository of a call in the cache of huggingface_hub.

    Args:
        instance: Has the environment.
        location: The location.
        config: Its configuration.

    Returns:
        The repository. None: it is not one of the hub that this cache is for, or there is no such cache.
    """
    if location.scheme != "hf" or not (directory := hub_cache(instance.environ)):
        return None
    hub = instance.environ.get("HF_ENDPOINT") or _HUB
    if isinstance(config, HFConfig) and (config.endpoint or hub).rstrip("/") != hub.rstrip("/"):
        return None
    configured = config.revision if isinstance(config, HFConfig) else None
    return HubRepository(directory, location.kind, location.root, location.revision or configured or _MAIN)


def find_in_hub(
    repository: HubRepository, location: Location, options: CallOptions, revalidate: Revalidate
) -> HubFound | None:
    """Blocking: find what a call would get, without asking the hub.

    Args:
        repository: The repository in the cache.
        location: The location.
        options: Options of the call.
        revalidate: How old an answer of the hub about a branch may be.

    Returns:
        The file or directory. None: it is not there, or it is unknown whether all of it is.
    """
    commit = repository.commit(revalidate)
    if commit is None:
        return None
    try:
        key = _path(location.key)
    except UnsafeKey:  # no file of a repository
        return None
    tree = repository.tree(commit)
    found = repository.snapshot(commit, key)
    if key and not location.key.endswith("/") and repository.has(commit, key, tree.get(key) if tree else None):
        options.check_object(location.key, location.name)
        return HubFound(found, os.path.getsize(found))
    if tree is None:
        return None
    prefix = f"{key}/" if key else ""
    wanted = {
        path: size for path, size in tree.items()
        if path.startswith(prefix) and options.patterns.matches(path[len(prefix) :])
    }  # fmt: skip
    if not wanted or not all(repository.has(commit, path, size) for path, size in wanted.items()):
        return None
    return HubFound(found, sum(wanted.values()))


def why_unknown(repository: HubRepository) -> str | None:
    """Blocking: why nothing is found of a repository that is there, at least in part; None: it is not there."""
    commit = repository.commit("never")
    if commit is None or not os.path.isdir(repository.snapshot(commit)) or repository.tree(commit) is not None:
        return None
    # As after single files, and after all downloads with versions of huggingface_hub that do not keep the list.
    return f"the cache {repository.root} has files of it, but not the list of all of them"


async def obtain_from_hub(
    source: OpenLocation, repository: HubRepository, plan: SnapshotPlan, options: CallOptions, takeover: float
) -> HubFound | None:
    """Make sure that the cache of huggingface_hub has what a call wants.

    Args:
        source: A file, or a directory of a repository.
        repository: The repository in the cache.
        plan: The files.
        options: Options of the call.
        takeover: As in `CacheSettings`.

    Returns:
        Where it is. None: this repository cannot be there, because the hub reports no hashes, or because this process
        cannot write to the cache.
    """
    instance, location = source.instance, source.location
    disk = LocalBackend("/", instance.disk)
    files = _files(plan)
    commits = {obj.version for obj, _ in plan.files}
    # An address that ends in "/" names a branch that keys begin with: the client of the hub does not know such URIs.
    if files is None or len(commits) != 1 or (commit := commits.pop()) is None or _ends_in_branch(source):
        return None
    try:
        await instance.disk.run(repository.open)
    except OSError:  # a shared cache, which only its administrator fills
        return None

    async def is_complete() -> bool:
        return await disk.run(
            lambda: all(repository.has(commit, each.repository_path, each.obj.size) for each in files)
        )

    def load() -> Callable[[], Coroutine[Any, Any, None]]:
        fill = import_module(".hub_fill", __package__).fill_hub
        return lambda: fill(source, repository, plan, files, commit, options)

    mode = await disk.run(lambda: os.stat(repository.locks).st_mode)
    owner = Owner(os.path.join(repository.locks, f"{plan.snapshot}.sealift"), takeover, mode)
    outcome = await complete(instance, owner, plan.size, is_complete, load)
    report_outcome(outcome, str(location), plan.size, options.on_event)
    if outcome in {"hit", "waited"}:
        report_hit(str(location), plan.size, options.on_event)
    if not plan.name and not await disk.run(lambda: repository.tree(commit) is not None):
        tree = await _whole_tree(source, plan, options)
        await disk.run(lambda: repository.write_tree(commit, tree))
    await disk.run(lambda: repository.note_commit(commit))
    return HubFound(repository.snapshot(commit, _path(location.key)), plan.size)


def _path(key: str) -> str:
    """The path of a file or directory in the repository; "" for the repository itself."""
    return paths.relative(key.rstrip("/")) if key.rstrip("/") else ""


def _ends_in_branch(source: OpenLocation) -> bool:
    return str(source.backend.address).endswith("/")


def _files(plan: SnapshotPlan) -> list[HubFile] | None:
    """The files of a call; None: the hub does not report the hash of one."""
    files = list[HubFile]()
    for obj, path in plan.files:
        blob = blob_of(obj)
        if blob is None or obj.size is None:
            return None
        files.append(HubFile(obj, path, paths.relative(obj.key), blob))
    return files


async def _whole_tree(source: OpenLocation, plan: SnapshotPlan, options: CallOptions) -> list[tuple[str, ObjectInfo]]:
    """All files of the commit. If the call wants all of them, they are listed already."""
    if not source.location.key and options.patterns.match_all:
        return [(obj.key, obj) for obj, _ in plan.files]
    async with aclosing(source.backend.list("")) as objects:
        return [(obj.key, obj) async for obj in objects]
