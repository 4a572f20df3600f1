"""A process that is killed in the middle costs the parts in flight, and nothing is left of it in the end."""

from pathlib import Path

import pytest

from .harm import Direction
from .kill import killed


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("name", "direction", "kills"),
    [
        ("s3", "download", 3),
        ("hub", "download", 2),
        ("s3", "upload", 2),
        ("gcs", "upload", 2),
        ("azure", "upload", 1),
    ],
)
def test_what_was_killed_goes_on_where_it_was(
    name: str, direction: Direction, kills: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    story = killed(request.getfixturevalue(f"{name}_place"), direction, 1, tmp_path, kills=kills)
    assert story.kills
    assert story.moved <= story.most


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
    assert story.kills == 1
