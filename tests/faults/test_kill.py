"""A killed process costs at most the parts in flight, and nothing of it remains in the end."""

from pathlib import Path

import pytest

from .injection import Direction
from .kill import Moment, killed
from .payload import Shape
from .storage import StorageServer


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("name", "direction", "shape", "kills"),
    [
        ("s3", "download", "object", 3),
        ("hub", "download", "object", 2),
        ("s3", "upload", "object", 2),
        ("gcs", "upload", "object", 2),
        ("azure", "upload", "object", 1),
        ("s3", "download", "directory", 3),
        ("gcs", "download", "tree", 2),
        ("hub", "download", "tree", 2),
        ("s3", "upload", "directory", 2),
        ("gcs", "upload", "directory", 2),
    ],
)
def test_what_was_killed_goes_on_where_it_was(
    name: str, direction: Direction, shape: Shape, kills: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    storage = request.getfixturevalue(f"{name}_storage")
    stats = killed(storage, direction, 1, tmp_path, kills=kills, shape=shape)
    assert stats.kills == kills


@pytest.mark.timeout(240)
@pytest.mark.parametrize("shape", ["object", "directory"])
def test_killed_twenty_times_it_piles_nothing_up(s3_storage: StorageServer, tmp_path: Path, shape: Shape) -> None:
    stats = killed(s3_storage, "download", 1, tmp_path, kills=20, shape=shape, requests=1)
    assert (stats.kills, stats.transfers) == (20, 1)


@pytest.mark.timeout(240)
def test_an_upload_that_nobody_noted_goes_by_the_lifecycle_rule(s3_storage: StorageServer, tmp_path: Path) -> None:
    """The service has started the upload, and the process is killed before it knows the upload's name."""
    begins = Moment(None, 0, heard=True)
    stats = killed(s3_storage, "upload", 1, tmp_path, kills=1, first=begins)
    assert (stats.kills, stats.orphaned) == (1, 1)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("http", "download"),
        ("hub", "download"),
        ("gcs", "download"),
        ("s3", "upload"),
        ("gcs", "upload"),
        ("azure", "upload"),
    ],
)
def test_what_was_replaced_after_the_kill_is_moved_anew(
    name: str, direction: Direction, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    storage = request.getfixturevalue(f"{name}_storage")
    stats = killed(storage, direction, 1, tmp_path, kills=1, replaced=True)
    assert (stats.kills, stats.transfers) == (1, 1)
