"""Uploads and copies to a bucket behind a forwarder, in a process that is stopped midway."""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealift.types import KiB, MiB
from tests.api.forwarder import Forwarder, Passage
from tests.facade.scripts import PATIENCE, Script
from tests.services import azurite as azurite_server
from tests.services import gcs as gcs_server
from tests.services.azurite import ACCOUNT, AzureService
from tests.services.gcs import GCSService
from tests.services.s3 import MakeBucket, S3Service, get_objects, unfinished_uploads

# One part is in flight at a time: when half of the fourth is sent, three are stored.
PROGRAM = """
import asyncio, json
from sealift import AsyncStorage, Limits

told = json.loads(os.environ["TOLD"])
config = getattr(sealift, told["config"])(**told["options"])
source_config = S3Config(**told["source_options"]) if told["source_options"] else None
sums = {"progress": 0, "resumed": 0, "suspended": 0}

def count(event):
    sums[event.kind] = sums.get(event.kind, 0) + event.size

async def main():
    storage = AsyncStorage(Limits(part_size=told["part"], memory=told["part"], attempts=1))
    await storage.copy(told["src"], told["uri"], config=source_config, dest_config=config, on_event=count)

try:
    asyncio.run(main())
except (KeyboardInterrupt, StorageError) as error:
    say(f"{type(error).__name__}: {error}")
say(json.dumps(sums))
"""
PARTS, STORED = 5, 3


@dataclass(frozen=True)
class Cloud:
    """A bucket behind a forwarder.

    Attributes:
        config: Name of the configuration's class.
        options: Its arguments.
        uri: URI of the object.
        part: Part size in bytes.
        content: Returns all objects, including parts in flight.
        unfinished: Returns the service's list of unfinished uploads.
    """

    forwarder: Forwarder
    config: str
    options: Mapping[str, Any]
    uri: str
    part: int
    content: Callable[[], dict[str, bytes]]
    unfinished: Callable[[], list[str]]

    @property
    def size(self) -> int:
        """Bytes of an object of `PARTS` parts and one byte."""
        return PARTS * self.part + 1


@contextlib.contextmanager
def new_cloud(service: S3Service | GCSService | AzureService, make_bucket: MakeBucket) -> Iterator[Cloud]:
    """A new bucket in a service."""
    if isinstance(service, S3Service):
        bucket, part, url = make_bucket(service), 5 * MiB, service.endpoint
        config, scheme, endpoint = "S3Config", "s3", ""
        options = s3_options(service)
        content, unfinished = (lambda: get_objects(service, bucket)), (lambda: unfinished_uploads(service, bucket))
    elif isinstance(service, GCSService):
        bucket, part, url = gcs_server.new_bucket(service), 512 * KiB, service.endpoint
        config, scheme, endpoint = "GCSConfig", "gs", ""
        options = {"anonymous": True}
        content, unfinished = (lambda: gcs_server.get_objects(service, bucket)), list
    else:
        bucket, part, url = azurite_server.new_container(service), 512 * KiB, service.url
        config, scheme, endpoint = "AzureConfig", "azure", f"/{ACCOUNT}"
        options = {"account_name": ACCOUNT, "account_key": service.keys[ACCOUNT]}
        content, unfinished = (lambda: azurite_server.get_objects(service, bucket)), list
    with Forwarder(url) as forwarder:
        options |= {"endpoint_url": forwarder.url + endpoint}
        yield Cloud(forwarder, config, options, f"{scheme}://{bucket}/k", part, content, unfinished)


def s3_options(service: S3Service) -> dict[str, Any]:
    """The arguments of an `S3Config`."""
    return {
        "access_key_id": service.access_key,
        "secret_access_key": service.secret_key,
        "endpoint_url": service.endpoint,
    }


@dataclass(frozen=True)
class Origin:
    """What is uploaded or copied.

    Attributes:
        src: Path of a file, or URI of an object.
        work: Directory of the process and of its records.
        options: Arguments of the `S3Config` of an object; None: a file.
    """

    src: str
    work: Path
    options: Mapping[str, Any] | None = None

    def records(self) -> list[Path]:
        """The records of unfinished uploads."""
        return [path for path in (self.work / "state").rglob("*") if path.is_file()]


def started(cloud: Cloud, origin: Origin) -> Script:
    """Start the upload or copy."""
    here = origin.work / "here"
    here.mkdir(exist_ok=True)
    told = {
        "config": cloud.config,
        "options": cloud.options,
        "uri": cloud.uri,
        "part": cloud.part,
        "src": origin.src,
        "source_options": origin.options,
    }
    return Script(PROGRAM, here, environ={"TOLD": json.dumps(told), "XDG_STATE_HOME": str(origin.work / "state")})


def run(cloud: Cloud, origin: Origin) -> tuple[int, int, int]:
    """Upload or copy, and return the bytes sent, reported as progress, and reported as resumed."""
    passage = cloud.forwarder.passage()
    with started(cloud, origin) as script:
        status, lines, complaints = script.end()
    assert (status, complaints, len(lines)) == (0, "", 1), lines
    sums = json.loads(lines[0])
    return passage.sent, sums["progress"], sums["resumed"]


@contextlib.contextmanager
def held(cloud: Cloud, origin: Origin, parts: float = STORED + 0.5) -> Iterator[tuple[Script, Passage]]:
    """A process that is held after `parts` parts are sent."""
    passage = cloud.forwarder.passage(int(parts * cloud.part))
    with started(cloud, origin) as script:
        if not passage.held.wait(PATIENCE):
            raise AssertionError(script.end())
        yield script, passage


def killed(cloud: Cloud, origin: Origin, parts: float = STORED + 0.5) -> None:
    """Kill the process after `parts` parts are sent."""
    with held(cloud, origin, parts) as (script, passage):
        os.kill(script.pid, signal.SIGKILL)
        assert script.end()[0] == -signal.SIGKILL
        passage.cut()
    assert len(origin.records()) == 1


def interrupted(cloud: Cloud, origin: Origin) -> list[str]:
    """Interrupt the process; returns its output."""
    with held(cloud, origin) as (script, passage):
        script.interrupt()
        status, lines, complaints = script.end()
        passage.cut()
    assert (status, complaints) == (0, "")
    return lines


def failed(cloud: Cloud, origin: Origin) -> list[str]:
    """Let the connection of the process break; returns its output."""
    with held(cloud, origin) as (script, passage):
        passage.cut()
        status, lines, complaints = script.end()
    assert (status, complaints) == (0, "")
    return lines
