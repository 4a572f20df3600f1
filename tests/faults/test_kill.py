"""A process that is killed in the middle costs the parts in flight, and nothing is left of it in the end."""

from pathlib import Path

import pytest

from .cargo import Shape
from .harm import Direction
from .kill import Moment, killed
from .place import Place


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
    place = request.getfixturevalue(f"{name}_place")
    story = killed(place, direction, 1, tmp_path, kills=kills, shape=shape)
    assert story.kills == kills


@pytest.mark.timeout(240)
@pytest.mark.parametrize("shape", ["object", "directory"])
def test_killed_twenty_times_it_piles_nothing_up(s3_place: Place, tmp_path: Path, shape: Shape) -> None:
    story = killed(s3_place, "download", 1, tmp_path, kills=20, shape=shape, requests=1)
    assert (story.kills, story.transfers) == (20, 1)


@pytest.mark.timeout(240)
def test_an_upload_that_nobody_noted_goes_by_the_lifecycle_rule(s3_place: Place, tmp_path: Path) -> None:
    """The service has begun it, and the program is dead before it has its name."""
    begins = Moment(None, 0, heard=True)
    story = killed(s3_place, "upload", 1, tmp_path, kills=1, first=begins)
    assert (story.kills, story.dangling) == (1, 1)


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
    place = request.getfixturevalue(f"{name}_place")
    story = killed(place, direction, 1, tmp_path, kills=1, replaced=True)
    assert (story.kills, story.transfers) == (1, 1)
