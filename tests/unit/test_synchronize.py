"""Whether what two listings tell leaves a doubt that two objects are equal."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.synchronize import differs
from sealift.types import ObjectInfo

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def told(size: int | None = 3, *, seconds: float | None = 0, **known: Any) -> ObjectInfo:
    modified = None if seconds is None else NOON + timedelta(seconds=seconds)
    return ObjectInfo("k", size, modified=modified, **known)


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        (told(3), told(4, seconds=60), True),
        (told(None), told(3, seconds=60), True),
        (told(seconds=0), told(seconds=60), False),
        (told(seconds=0), told(seconds=1), False),
        (told(seconds=0), told(seconds=0.9), True),
        (told(seconds=0), told(seconds=0), True),
        (told(seconds=60), told(seconds=0), True),
        (told(seconds=None), told(seconds=60), True),
        (told(seconds=0), told(seconds=None), True),
    ],
)
def test_sizes_and_times(new: ObjectInfo, old: ObjectInfo, expected: bool) -> None:
    assert differs(new, old) is expected


@pytest.mark.parametrize("seconds", [-60, 0, 60])
def test_equal_entity_tags_are_of_equal_bytes(seconds: float) -> None:
    assert not differs(told(etag='"t"'), told(etag='"t"', seconds=seconds))


def test_other_entity_tags_say_nothing() -> None:
    """The same bytes have others after an upload in parts of another length."""
    assert not differs(told(etag='"t"'), told(etag='"u-2"', seconds=60))
    assert differs(told(etag='"t"'), told(etag='"u-2"', seconds=-60))
    assert differs(told(etag=None), told(etag=None, seconds=-60))


@pytest.mark.parametrize("seconds", [-60, 0, 60, None])
def test_checksums_that_both_tell_decide(seconds: float | None) -> None:
    new = told(etag='"t"', checksums={"crc64nvme": "aa", "md5": "bb"})
    assert not differs(new, told(seconds=seconds, checksums={"md5": "bb"}))
    assert differs(new, told(seconds=seconds, etag='"t"', checksums={"md5": "cc"}))
    assert not differs(new, told(seconds=seconds, checksums={"md5": "cc", "crc64nvme": "aa"}))


def test_checksums_of_different_kinds_say_nothing() -> None:
    assert not differs(told(checksums={"md5": "a"}), told(seconds=60, checksums={"crc32": "b"}))
    assert differs(told(checksums={"md5": "a"}), told(seconds=-60, checksums={"crc32": "a"}))


DIGESTS = st.dictionaries(st.sampled_from(["crc64nvme", "crc32", "md5"]), st.sampled_from(["aa", "bb"]))
OBJECTS = st.builds(
    told,
    st.none() | st.integers(0, 2),
    seconds=st.none() | st.integers(-3, 3),
    etag=st.sampled_from([None, '"t"', '"u"']),
    checksums=DIGESTS,
)


@given(OBJECTS, OBJECTS)
def test_another_size_is_always_a_difference(new: ObjectInfo, old: ObjectInfo) -> None:
    assert differs(new, old) or new.size == old.size


@given(OBJECTS)
def test_a_destination_written_after_the_source_from_its_bytes_is_equal(new: ObjectInfo) -> None:
    if new.modified is not None:
        later = new.modified + timedelta(seconds=1)
        assert not differs(new, ObjectInfo("other", new.size, modified=later, checksums=new.checksums))
