"""Comparison of objects by checksums, content tags and versions."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.integrity.content import Facts, cached_content_id, content_id, same_bytes
from sealift.types import ObjectInfo

MD5, OTHER = "5d41402abc4b2a76b9719d911017c592", "7d793037a0760186574b0282f2f435e7"


def facts(scheme: str, size: int = 5, **known: Any) -> Facts:
    return Facts.of(scheme, ObjectInfo("k", size, **known), size)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (facts("s3", etag=f'"{MD5}"'), facts("s3", etag=f'"{MD5}"'), True),
        (facts("s3", etag=f'"{MD5}-2"'), facts("s3", etag=f'"{MD5}-2"'), True),
        (facts("s3", etag=f'"{MD5}"'), facts("gs", checksums={"md5": MD5}), True),
        (facts("azure", checksums={"md5": MD5}), facts("s3", etag=f'"{MD5}"'), True),
        # ETag of an encrypted object, or another part size.
        (facts("s3", etag=f'"{MD5}"'), facts("s3", etag=f'"{OTHER}"'), None),
        (facts("s3", etag=f'"{MD5}"'), facts("s3", etag=f'"{MD5}-1"'), None),
        # ETags derived from times or counters, and ETags of different services.
        (facts("azure", etag='"0x8DC"'), facts("azure", etag='"0x8DC"'), None),
        (facts("gs", etag='"CJ=="', version="7"), facts("gs", etag='"CJ=="', version="7"), None),
        (facts("http", etag='"abc"'), facts("s3", etag='"abc"'), None),
        (facts("http", etag=f'"{MD5}"'), facts("s3", etag=f'"{MD5}"'), None),
        (facts("s3", etag='"abc"'), facts("s3", etag='"abc"'), None),
        (facts("s3", etag=f'W/"{MD5}"'), facts("s3", etag=f'W/"{MD5}"'), None),
        # Checksums take precedence, and all common ones must match.
        (facts("hf", checksums={"sha256": "aa"}), facts("s3", checksums={"sha256": "aa"}), True),
        (facts("gs", checksums={"crc32c": "a", "md5": "b"}), facts("gs", checksums={"crc32c": "a", "md5": "c"}), False),
        (
            facts("s3", etag=f'"{MD5}"', checksums={"sha1": "a"}),
            facts("s3", etag=f'"{MD5}"', checksums={"sha1": "b"}),
            False,
        ),
        (facts("gs", checksums={"crc32c": "aa"}), facts("s3", checksums={"crc64nvme": "aa"}), None),
        (facts("file", version="1"), facts("file", version="1"), None),
        (facts("s3", 5, etag=f'"{MD5}"'), facts("s3", 6, etag=f'"{MD5}"'), False),
    ],
)  # fmt: skip
def test_same_bytes(first: Facts, second: Facts, expected: bool | None) -> None:
    assert same_bytes(first, second) is expected
    assert same_bytes(second, first) is expected


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (facts("gs", version="1", etag='"a"'), facts("gs", version="1", etag='"b"'), True),  # new metadata
        (facts("hf", version="commit", etag='"a"'), facts("hf", version="next", etag='"a"'), True),
        (facts("gs", version="1", etag='"a"'), facts("gs", version="2", etag='"b"'), False),
        (facts("s3", 5, version='"a"'), facts("s3", 6, version='"a"'), False),
        (facts("s3", version='W/"a"', etag='W/"a"'), facts("s3", version='W/"a"', etag='W/"a"'), False),
        (facts("s3"), facts("s3"), False),
    ],
)
def test_unchanged(before: Facts, now: Facts, expected: bool) -> None:
    assert before.unchanged(now) is expected


SOME = st.builds(
    Facts,
    st.integers(0, 2),
    checksums=st.dictionaries(st.sampled_from(["crc32c", "md5", "sha256"]), st.sampled_from(["aa", "bb"])),
    tags=st.frozensets(st.sampled_from(["md5:aa", "md5:bb", "git:aa"])),
)


@given(SOME, SOME)
def test_any_difference_is_decisive(first: Facts, second: Facts) -> None:
    differ = first.size != second.size or any(
        first.checksums[name] != second.checksums[name] for name in first.checksums.keys() & second.checksums.keys()
    )
    assert (same_bytes(first, second) is False) is differ


def test_content_id_prefers_hashes_over_versions() -> None:
    def identifier(scheme: str, **known: Any) -> str | None:
        return content_id(scheme, ObjectInfo("k", 5, **known))

    git = "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed"
    assert identifier("hf", version="commit", checksums={"sha256": "aa"}) == "sha256:aa"
    assert identifier("hf", version="commit", etag=f'"{git}"') == f"git:{git}"
    assert identifier("gs", version="7", checksums={"md5": "aa", "crc32c": "bb"}) == "md5:aa"
    assert identifier("gs", version="7", checksums={"crc32c": "bb"}) == "7"  # 32 bits are too few to identify content
    assert identifier("s3", version='"t-2"', etag='"t-2"') == '"t-2"'
    assert identifier("file", version="1-2-3") == "1-2-3"
    assert identifier("http") is None


def test_what_only_objects_with_the_same_bytes_have() -> None:
    """Other keys have other identifiers, unless a hash tells that the bytes are the same."""
    first: Any = {"etag": f'"{MD5}"', "checksums": {"crc64nvme": "aa"}}
    assert cached_content_id("s3", ObjectInfo("a", 5, **first)) == cached_content_id("s3", ObjectInfo("b", 5, **first))
    weak: Any = {"version": 'W/"1"', "etag": 'W/"1"', "modified": datetime(2026, 1, 1, tzinfo=UTC)}

    def ids(key: str = "a", **known: Any) -> str | None:
        return cached_content_id("http", ObjectInfo(key, 5, **known))

    for known in ({"checksums": {"crc64nvme": "aa"}, "etag": '"1"', "version": '"1"'}, weak):
        assert ids("a", **known) != ids("b", **known)
    assert ids(**weak) != ids(**weak | {"modified": datetime(2026, 1, 2, tzinfo=UTC)})
    assert ids() is None
