"""A new directory that two callers build in the same place, where locks are unreliable."""

import os
from pathlib import Path

import pytest

from sealift.instance import Instance
from sealift.operations.directory_target import BuildDirectory
from sealift.types import Limits
from tests.api.helpers import all_in

pytestmark = pytest.mark.anyio


async def test_a_tree_that_the_other_caller_has_published(tmp_path: Path) -> None:
    """Its empty directories are created in the published tree, and no new one where it was built."""

    def publish(building: BuildDirectory) -> None:
        Path(building.path, "d").mkdir()
        os.rename(building.path, tmp_path / "final")
        building.check()
        building.publish(building.path, ["empty"], anchor=None)

    built, final = str(tmp_path / "built"), str(tmp_path / "final")
    async with Instance(Limits()) as instance, BuildDirectory(instance, built, final) as building:
        await instance.disk.run(lambda: publish(building))
    assert all_in(tmp_path) == {"final", "final/d", "final/empty"}
