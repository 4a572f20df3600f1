"""Run transfers under a memory limit and print the resources that they used; started by test_bounds.py.

`python child.py MEMORY ENDPOINT DIRECTORY SCENARIO LIMITS`: MEMORY is the limit of data in bytes, LIMITS is JSON.
"""

import asyncio
import gc
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

# Before anything large is imported, so that the limit applies to it.
_MEMORY = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))

from sealift import AsyncStorage, Limits, S3Config, Storage, Synced  # noqa: E402
from sealift.runtime.memory_budget import default_budget  # noqa: E402

MANY = 200_000  # as in server.py

_EVERY = 0.002  # seconds between two samples


def status(name: str) -> int:
    """A value of /proc/self/status, in bytes."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise LookupError(name)


class ResourceSampler:
    """Samples the number of file descriptors and threads."""

    def __init__(self) -> None:
        self.descriptors = self.threads = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        while not self._stop.wait(_EVERY):
            self.descriptors = max(self.descriptors, len(os.listdir("/proc/self/fd")))
            self.threads = max(self.threads, len(os.listdir("/proc/self/task")))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join()


def one_instance(uri: str, dest: str, config: S3Config, limits: Limits) -> None:
    """Download with a separate instance that has these limits."""

    async def download() -> None:
        async with AsyncStorage(limits) as storage:
            await storage.download(uri, dest, config=config)

    asyncio.run(download())


def huge(directory: str, config: S3Config, limits: Limits) -> None:
    one_instance("s3://b/huge", f"{directory}/huge", config, limits)


def send(path: str, uri: str, config: S3Config, limits: Limits) -> None:
    """As `one_instance`, but upload."""

    async def upload() -> None:
        async with AsyncStorage(limits) as storage:
            await storage.upload(path, uri, config=config)

    asyncio.run(upload())


def upload(directory: str, config: S3Config, limits: Limits) -> None:
    send(f"{directory}/huge", "s3://b/uploaded", config, limits)


def large(directory: str, config: S3Config, limits: Limits) -> None:
    one_instance("s3://b/eight/0", f"{directory}/large", config, limits)


def small(directory: str, config: S3Config, limits: Limits) -> None:
    one_instance("s3://b/small/", f"{directory}/small", config, limits)


def listing(_: str, config: S3Config, limits: Limits) -> None:
    async def count() -> int:
        async with AsyncStorage(limits) as storage:
            return sum([1 async for _ in storage.list("s3://b/many/", config=config)])

    assert asyncio.run(count()) == MANY


def sync(_: str, config: S3Config, limits: Limits) -> None:
    """All objects are the same at both ends."""

    async def run() -> Synced:
        async with AsyncStorage(limits) as storage:
            return await storage.sync("s3://b/many/", "s3://b/copy/", config=config, dest_config=config, delete=True)

    assert asyncio.run(run()) == Synced(0, MANY, 0)


def selection(directory: str, config: S3Config, limits: Limits) -> None:
    """What a download remembers about each object."""

    async def run() -> Synced:
        async with AsyncStorage(limits) as storage:
            return await storage.sync("s3://b/many/", f"{directory}/many", config=config, dry_run=True)

    assert asyncio.run(run()) == Synced(MANY, 0, 0)


def at_once(calls: Iterable[tuple[str, str]], config: S3Config, limits: Limits) -> None:
    """Download all at once, each with an instance of its own, as in the requests of a server."""

    async def download_all() -> None:
        async with asyncio.TaskGroup() as group:
            for uri, dest in calls:
                group.create_task(AsyncStorage(limits).download(uri, dest, config=config))

    asyncio.run(download_all())


def requests(directory: str, config: S3Config, limits: Limits) -> None:
    at_once(((f"s3://b/request/{number}", f"{directory}/{number}") for number in range(8)), config, limits)


def small_requests(directory: str, config: S3Config, limits: Limits) -> None:
    calls = ((f"s3://b/small/{number:05}", f"{directory}/{number}") for number in range(200))
    at_once(calls, config, limits)


def eight(directory: str, config: S3Config, limits: Limits) -> None:
    """Eight callers of the facade, each in its own thread, with the limits of the facade."""
    failures: list[BaseException] = []

    def call(number: int) -> None:
        try:
            Storage.download(f"s3://b/eight/{number}", f"{directory}/{number}", config=config)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


SCENARIOS: dict[str, Callable[[str, S3Config, Limits], None]] = {
    "huge": huge,
    "upload": upload,
    "large": large,
    "small": small,
    "eight": eight,
    "list": listing,
    "sync": sync,
    "selection": selection,
    "requests": requests,
    "small_requests": small_requests,
}


def main(endpoint: str, directory: str, scenario: str, limits: Limits) -> None:
    config = S3Config("AKIA", "secret", endpoint_url=endpoint)
    # Import everything that is imported on first use, and start the facade's thread, before anything is counted.
    Storage.download("s3://b/small/00000", f"{directory}/first", config=config)
    one_instance("s3://b/small/00000", f"{directory}/first", config, limits)
    send(f"{directory}/first", "s3://b/first", config, limits)
    gc.collect()
    idle = {"descriptors": len(os.listdir("/proc/self/fd")), "threads": len(os.listdir("/proc/self/task")) + 1}
    resident = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # resets the peak: man 5 proc_pid_clear_refs
    began = time.monotonic()
    with ResourceSampler() as sampler:
        SCENARIOS[scenario](directory, config, limits)
    used = {
        "budget": limits.memory or default_budget(),
        "resident": status("VmHWM") - resident,
        "data": status("VmData"),
        "idle": idle,
        "descriptors": sampler.descriptors,
        "threads": sampler.threads,
        "seconds": time.monotonic() - began,
    }
    print(json.dumps(used))


if __name__ == "__main__":
    main(*sys.argv[2:5], Limits(**json.loads(sys.argv[5])))
