"""After its process is killed, an upload resumes with the next run: only missing parts are sent."""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sealift.types import KiB, MiB
from tests.api.forwarder import Forwarder, Passage
from tests.api.servers import pattern
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
sums = {"progress": 0, "resumed": 0}

def count(event):
    sums[event.kind] = sums.get(event.kind, 0) + event.size

async def main():
    storage = AsyncStorage(Limits(part_size=told["part"], memory=told["part"]))
    await storage.upload(told["src"], told["uri"], config, on_event=count)

asyncio.run(main())
say(json.dumps([sums["progress"], sums["resumed"]]))
"""
PARTS, STORED = 5, 3


@dataclass(frozen=True)
class Cloud:
    """A bucket behind a forwarder.

    Attributes:
        told: Input of `PROGRAM`: the URI and the configuration.
        part: Part size in bytes.
        content: Returns all objects, including parts in flight.
        unfinished: Returns the service's list of unfinished uploads.
    """

    forwarder: Forwarder
    told: dict[str, Any]
    part: int
    content: Callable[[], dict[str, bytes]]
    unfinished: Callable[[], list[str]]

    @property
    def size(self) -> int:
        return PARTS * self.part + 1


@pytest.fixture(params=["seaweedfs", "moto", "gcs", "azurite"])
def cloud(request: pytest.FixtureRequest, make_bucket: MakeBucket) -> Iterator[Cloud]:
    service = request.getfixturevalue(request.param)
    if isinstance(service, S3Service):
        bucket, part = make_bucket(service), 5 * MiB
        url, config, scheme = service.endpoint, "S3Config", "s3"
        options = {"access_key_id": service.access_key, "secret_access_key": service.secret_key}
        endpoint = ""
        content, unfinished = (lambda: get_objects(service, bucket)), (lambda: unfinished_uploads(service, bucket))
    elif isinstance(service, GCSService):
        bucket, part = gcs_server.new_bucket(service), 512 * KiB
        url, config, scheme = service.endpoint, "GCSConfig", "gs"
        options, endpoint = {"anonymous": True}, ""
        content, unfinished = (lambda: gcs_server.get_objects(service, bucket)), list
    else:
        assert isinstance(service, AzureService)
        bucket, part = azurite_server.new_container(service), 512 * KiB
        url, config, scheme = service.url, "AzureConfig", "azure"
        options = {"account_name": ACCOUNT, "account_key": service.keys[ACCOUNT]}
        endpoint = f"/{ACCOUNT}"
        content, unfinished = (lambda: azurite_server.get_objects(service, bucket)), list
    with Forwarder(url) as forwarder:
        told = {"config": config, "options": {**options, "endpoint_url": forwarder.url + endpoint}}
        yield Cloud(forwarder, {**told, "uri": f"{scheme}://{bucket}/k", "part": part}, part, content, unfinished)


@pytest.fixture
def source(tmp_path: Path, cloud: Cloud) -> Path:
    (tmp_path / "model.bin").write_bytes(pattern(cloud.size))
    return tmp_path / "model.bin"


def started(cloud: Cloud, source: Path) -> Script:
    here = source.parent / "here"
    here.mkdir(exist_ok=True)
    told = json.dumps({**cloud.told, "src": str(source)})
    return Script(PROGRAM, here, environ={"TOLD": told, "XDG_STATE_HOME": str(source.parent / "state")})


def run(cloud: Cloud, source: Path) -> tuple[int, int, int]:
    """Upload, and return the bytes sent, reported as progress, and reported as resumed."""
    passage = cloud.forwarder.passage()
    with started(cloud, source) as script:
        status, lines, complaints = script.end()
    assert (status, complaints) == (0, "")
    progress, resumed = json.loads(lines[-1])
    return passage.sent, progress, resumed


@contextlib.contextmanager
def held(cloud: Cloud, source: Path, parts: float = STORED + 0.5) -> Iterator[tuple[Script, Passage]]:
    """An upload that is held after `parts` parts are sent."""
    passage = cloud.forwarder.passage(int(parts * cloud.part))
    with started(cloud, source) as script:
        if not passage.held.wait(PATIENCE):
            raise AssertionError(script.end())
        yield script, passage


def killed(cloud: Cloud, source: Path) -> None:
    with held(cloud, source) as (script, passage):
        os.kill(script.pid, signal.SIGKILL)
        assert script.end()[0] == -signal.SIGKILL
        passage.cut()
    assert len(records(source)) == 1


def records(source: Path) -> list[Path]:
    return [path for path in (source.parent / "state").rglob("*") if path.is_file()]


def test_only_what_is_missing_is_sent(cloud: Cloud, source: Path) -> None:
    killed(cloud, source)
    assert "k" not in cloud.content()
    sent, progress, resumed = run(cloud, source)
    assert (progress, resumed) == (cloud.size, STORED * cloud.part)
    missing = cloud.size - STORED * cloud.part
    assert missing < sent < missing + cloud.part // 4
    assert cloud.content() == {"k": source.read_bytes()}
    assert cloud.unfinished() == []
    assert records(source) == []


def test_a_file_that_has_changed_is_sent_anew(cloud: Cloud, source: Path) -> None:
    killed(cloud, source)
    source.write_bytes(pattern(cloud.size + 1)[1:])
    sent, progress, resumed = run(cloud, source)
    assert (progress, resumed) == (cloud.size, 0)
    assert sent > cloud.size
    assert cloud.content() == {"k": source.read_bytes()}
    assert cloud.unfinished() == []
    assert records(source) == []


def test_killed_twice(cloud: Cloud, source: Path) -> None:
    killed(cloud, source)
    passage = cloud.forwarder.passage(cloud.part + cloud.part // 2)
    with started(cloud, source) as script:
        assert passage.held.wait(PATIENCE)
        os.kill(script.pid, signal.SIGKILL)
        script.end()
        passage.cut()
    _, progress, resumed = run(cloud, source)
    assert (progress, resumed) == (cloud.size, (STORED + 1) * cloud.part)
    assert cloud.content() == {"k": source.read_bytes()}
    assert cloud.unfinished() == []
    assert records(source) == []


def test_two_processes_at_once(cloud: Cloud, source: Path) -> None:
    """The second process leaves the upload and record of the first alone."""
    # The gs:// server handles no other request while it receives a body.
    with held(cloud, source, 0 if cloud.told["config"] == "GCSConfig" else STORED + 0.5) as (script, passage):
        _, progress, resumed = run(cloud, source)
        assert (progress, resumed) == (cloud.size, 0)
        assert cloud.content()["k"] == source.read_bytes()
        assert len(records(source)) == 1
        passage.release()
        status, _, complaints = script.end()
        assert (status, complaints) == (0, "")
    assert cloud.content() == {"k": source.read_bytes()}
    assert cloud.unfinished() == []
    assert records(source) == []
