"""After its process is killed, an upload resumes with the next run: only missing parts are sent."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.clouds import STORED, Cloud, Origin, held, killed, new_cloud, run
from tests.api.servers import pattern
from tests.services.s3 import MakeBucket


@pytest.fixture(params=["seaweedfs", "moto", "gcs", "azurite"])
def cloud(request: pytest.FixtureRequest, make_bucket: MakeBucket) -> Iterator[Cloud]:
    with new_cloud(request.getfixturevalue(request.param), make_bucket) as cloud:
        yield cloud


@pytest.fixture
def source(tmp_path: Path, cloud: Cloud) -> Path:
    (tmp_path / "model.bin").write_bytes(pattern(cloud.size))
    return tmp_path / "model.bin"


@pytest.fixture
def origin(source: Path) -> Origin:
    return Origin(str(source), source.parent)


def test_only_what_is_missing_is_sent(cloud: Cloud, source: Path, origin: Origin) -> None:
    killed(cloud, origin)
    assert "k" not in cloud.content()
    sent, progress, resumed = run(cloud, origin)
    assert (progress, resumed) == (cloud.size, STORED * cloud.part)
    missing = cloud.size - STORED * cloud.part
    assert missing < sent < missing + cloud.part // 4
    assert cloud.content() == {"k": source.read_bytes()}
    assert cloud.unfinished() == []
    assert origin.records() == []


def test_a_file_that_has_changed_is_sent_anew(cloud: Cloud, source: Path, origin: Origin) -> None:
    killed(cloud, origin)
    source.write_bytes(pattern(cloud.size + 1)[1:])
    sent, progress, resumed = run(cloud, origin)
    assert (progress, resumed) == (cloud.size, 0)
    assert sent > cloud.size
    assert cloud.content() == {"k": source.read_bytes()}
    assert cloud.unfinished() == []
    assert origin.records() == []


def test_killed_twice(cloud: Cloud, source: Path, origin: Origin) -> None:
    killed(cloud, origin)
    killed(cloud, origin, 1.5)
    _, progress, resumed = run(cloud, origin)
    assert (progress, resumed) == (cloud.size, (STORED + 1) * cloud.part)
    assert cloud.content() == {"k": source.read_bytes()}
    assert cloud.unfinished() == []
    assert origin.records() == []


def test_two_processes_at_once(cloud: Cloud, source: Path, origin: Origin) -> None:
    """The second process leaves the upload and record of the first alone."""
    # The gs:// server handles no other request while it receives a body.
    with held(cloud, origin, 0 if cloud.config == "GCSConfig" else STORED + 0.5) as (script, passage):
        _, progress, resumed = run(cloud, origin)
        assert (progress, resumed) == (cloud.size, 0)
        assert cloud.content()["k"] == source.read_bytes()
        assert len(origin.records()) == 1
        passage.release()
        status, _, complaints = script.end()
        assert (status, complaints) == (0, "")
    assert cloud.content() == {"k": source.read_bytes()}
    assert cloud.unfinished() == []
    assert origin.records() == []
