"""HDFS by the rules of kserve-storage: patterns select what is at the top of a directory.

These are no rows of the comparison, because the original needs the Kerberos libraries of the system for any HDFS.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sealift import ModelMissingError
from sealift.integrations.kserve.kserve_storage import Storage
from tests.kserve.archives import TAR
from tests.kserve.outcome import tree
from tests.services import webhdfs
from tests.services.webhdfs import FakeHDFS

FILES = {
    "iris/model.joblib": b"model",
    "iris/sub/params.json": b"params",
    "iris/sub/deep/x.bin": b"x",
    "alone/model.tgz": TAR,
    "below/sub/model.tgz": TAR,
    "a[1]/b*": b"odd",
}


@pytest.fixture(scope="module")
def hdfs() -> Iterator[FakeHDFS]:
    with webhdfs.running() as fake:
        fake.put(FILES, "/user/me")
        yield fake


@pytest.mark.parametrize(
    ("uri", "patterns", "expected"),
    [
        ("hdfs://user/me/iris", {}, {"model.joblib", "sub/params.json", "sub/deep/x.bin"}),
        ("webhdfs://user/me/iris/", {"allow_patterns": ["sub"]}, {"sub/params.json", "sub/deep/x.bin"}),
        ("hdfs://user/me/iris", {"allow_patterns": ["*.joblib"]}, {"model.joblib"}),
        ("hdfs://user/me/iris", {"ignore_patterns": ["s*"]}, {"model.joblib"}),
        ("hdfs://user/me/iris", {"ignore_patterns": ["*.json"]}, {"model.joblib", "sub/params.json", "sub/deep/x.bin"}),
        ("hdfs://user/me/iris/model.joblib", {"allow_patterns": ["*.json"]}, {"model.joblib"}),
        ("hdfs://user/me/alone", {}, {"model.bin", "config.json"}),
        ("hdfs://user/me/alone/model.tgz", {}, {"model.bin", "config.json"}),
        ("hdfs://user/me/below", {}, {"sub/model.tgz"}),
        ("hdfs://user/me/a[1]", {"allow_patterns": ["b[*]"]}, {"b*"}),
    ],
)
def test_patterns(
    hdfs: FakeHDFS,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uri: str,
    patterns: dict[str, Any],
    expected: set[str],
) -> None:
    monkeypatch.setenv("HDFS_NAMENODE", hdfs.url)
    assert tree(Storage.download(uri, str(tmp_path / "out"), **patterns)).keys() == expected


@pytest.mark.parametrize("patterns", [{"allow_patterns": ["*.json"]}, {"allow_patterns": ["sub/"]}])
def test_nothing_is_selected(
    hdfs: FakeHDFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patterns: dict[str, Any]
) -> None:
    monkeypatch.setenv("HDFS_NAMENODE", hdfs.url)
    with pytest.raises(ModelMissingError, match="No model found in"):
        Storage.download("hdfs://user/me/iris", str(tmp_path / "out"), **patterns)
