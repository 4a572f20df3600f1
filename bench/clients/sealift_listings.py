"""List, sync or resume with sealift: `sealift_listings.py ACTION WORK`; see `bench/listings.py`."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sealift import AsyncStorage, Event
from sealift.backends.local.files import crc
from sealift.persist.download_journal import Claim, Journal, fingerprint
from sealift.uri import parse

URI, COPY = "s3://source/many/", "s3://copy/many/"
OBJECTS = int(os.environ["OBJECTS"])


async def list_all() -> None:
    count = 0
    async with AsyncStorage() as storage:
        async for obj in storage.list(URI):
            count += bool(obj.size) and obj.etag is not None
    assert count == OBJECTS, count


async def sync() -> None:
    async with AsyncStorage() as storage:
        synced = await storage.sync(URI, COPY)
    assert (synced.copied, synced.kept) == (0, OBJECTS), synced


def prepare(work: Path, missing: int) -> None:
    """Write what a download that was killed leaves, except for files that exist already.

    Args:
        work: Has the names and ETags of the objects, and their content.
        missing: How many of the last objects had not arrived.
    """
    location, state = parse(URI), work / ".sealift"
    address = f"{os.environ['AWS_ENDPOINT_URL']}/source"
    name = fingerprint(address, location, str(work / "model"), True)
    tree, content = state / f"{name}.tree", (work / "content").read_bytes()
    lines = (work / "names").read_text().splitlines()
    tree.mkdir(parents=True, exist_ok=True)
    (state / f"{name}.journal").unlink(missing_ok=True)
    journal = Journal(str(state), name, many=True)
    journal.open()
    claim = Claim(0, len(content), crc(memoryview(content)))
    for number, line in enumerate(lines):
        path, etag = line.split(" ")
        if number >= len(lines) - missing:
            (tree / path).unlink(missing_ok=True)
            continue
        if not (tree / path).exists():
            (tree / path).write_bytes(content)
        journal.expect(path, fingerprint(f"many/{path}", f"md5:{etag.strip(chr(34))}", len(content), path))
        journal.add(path, claim)
    journal.close(keep=True)


async def resume(final: Path, report: Callable[[], None]) -> None:
    """Download; `report` is called before the first object is requested, or at the end."""
    async with AsyncStorage() as storage:

        def on_event(event: Event) -> None:
            if event.kind == "listed":  # not yet one of those that are complete: they come last
                report()

        await storage.download(URI, final, on_event=on_event if "first" in sys.argv else None)
        report()


def main(action: str, work: Path) -> None:
    start = time.perf_counter()

    def report() -> None:
        Path("report.json").write_text(json.dumps({"download_s": time.perf_counter() - start}))
        os._exit(0)  # as if it were killed

    if action.startswith("prepare"):
        prepare(work, missing=int(action == "prepare-first"))
    elif action in {"first", "verify"}:
        asyncio.run(resume(work / "model", report))
    else:
        asyncio.run(list_all() if action == "list" else sync())


main(sys.argv[1], Path(sys.argv[2]))
