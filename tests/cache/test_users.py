"""Several users of one cache directory."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.servers import FakeS3
from tests.facade.scripts import run
from tests.facade.test_shared_directories import AS_OTHER, OTHER, needs_root

from .reading import bodies


@pytest.fixture
def shared() -> Iterator[Path]:
    """A cache that belongs to root, and that a group may write to."""
    directory = Path(tempfile.mkdtemp(prefix="sealift-shared-"))
    os.chown(directory, 0, OTHER)
    directory.chmod(0o2770)
    yield directory
    shutil.rmtree(directory)


@needs_root
def test_two_users_of_a_group(server: FakeS3, here: Path, shared: Path) -> None:
    """Each finds what the other has downloaded, replaces what is damaged, and may evict it."""
    program = (
        AS_OTHER
        + """
    import shutil, sealift.cache.fill, sealift.cache.eviction
    from sealift.cache.directory import CacheDirectory
    Storage.download("s3://b/large", HERE / "large", config=config)  # imports modules that the other user cannot read
    os.umask(0o077)
    with Storage.cached("s3://b/iris/", config=config) as path:
        say(path)

    def work():
        with Storage.cached("s3://b/iris/", config=config) as path:
            say(path)
            assert content(path + "/model.bin")
        with Storage.cached("s3://b/large", config=config) as path:
            say(path)
        cache = CacheDirectory(os.environ["SEALIFT_CACHE"])
        for snapshot in os.listdir(cache.file("snapshots")):
            assert sealift.cache.eviction.evict(cache, snapshot), snapshot

    say(as_other(work))
    with Storage.cached("s3://b/large", config=config) as path:
        say(path)
    """
    )
    status, lines, complaints = run(program, here, server, environ={"SEALIFT_CACHE": str(shared)})
    assert (status, complaints) == (0, "")
    mine, theirs, large, code, again = lines
    assert mine == theirs
    assert code == "0"
    assert large == again
    assert bodies(server).count("iris/model.bin") == 1


@needs_root
def test_a_cache_of_one_user_is_closed_to_others(server: FakeS3, here: Path, shared: Path) -> None:
    program = (
        AS_OTHER
        + """
    import sealift.cache.fill
    with Storage.cached("s3://b/iris/", config=config) as path:
        pass

    def work():
        try:
            Storage.download("s3://b/iris/", config=config)
        except StorageError as error:
            say(error)

    say(as_other(work))
    """
    )
    shared.chmod(0o700)
    status, lines, complaints = run(program, here, server, environ={"SEALIFT_CACHE": str(shared)})
    assert (status, complaints) == (0, "")
    assert f"the cache directory {shared} cannot be used" in lines[0]
    assert lines[1] == "0"
