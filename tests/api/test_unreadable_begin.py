"""Replies to CreateMultipartUpload that cannot be parsed: no upload stays behind."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sealift import AsyncStorage, Limits, ServiceError
from sealift.types import MiB
from tests.api.servers import Asked, Reply, pattern
from tests.api.writable import WritableS3, is_begin

pytestmark = pytest.mark.anyio

LIMITS = Limits(part_size=5 * MiB, attempts=2)
DATA = pattern(12 * MiB)


class Unreadable(WritableS3):
    """Lists its uploads, and replaces the reply that tells the ID of a new one.

    Attributes:
        reply: The body to send instead; "ID" stands for the ID.
        others: Uploads of other programs: ID → seconds since they began.
    """

    def __init__(self, reply: bytes, **others: float) -> None:
        super().__init__(instead=self._changed)
        self.reply = reply
        now = datetime.now(UTC)
        self._begun_at = {name: now - timedelta(seconds=seconds) for name, seconds in others.items()}
        self.uploads |= {name: {} for name in others}

    def _changed(self, asked: Asked) -> Reply | None:
        if is_begin(asked):
            before = set(self.uploads)
            reply = self.usual(asked)
            (name,) = set(self.uploads) - before
            self._begun_at[name] = datetime.now(UTC)
            return Reply(200, self.reply.replace(b"ID", name.encode()), reply.headers)
        if asked.method == "GET" and "uploads" in asked.query:
            listed = "".join(
                f"<Upload><Key>{key}</Key><UploadId>{name}</UploadId>"
                f"<Initiated>{self._begun_at[name]:%Y-%m-%dT%H:%M:%S.000Z}</Initiated></Upload>"
                for name in self.uploads
                for key in ([asked.query["prefix"]] if name != "longer" else [asked.query["prefix"] + "2"])
            )
            return Reply(200, f"<ListMultipartUploadsResult>{listed}</ListMultipartUploadsResult>".encode())
        return None


async def upload(fake: WritableS3, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(DATA)
    await AsyncStorage(LIMITS).upload(tmp_path / "large", "s3://b/k", config=fake.config)


@pytest.mark.parametrize("reply", [b"<html>sign in</html>", b"", b"<R><Uplo", b"<R><UploadId/></R>"])
async def test_nothing_stays_behind(tmp_path: Path, reply: bytes) -> None:
    with Unreadable(reply, earlier=60, longer=0) as fake:
        with pytest.raises(ServiceError, match="without UploadId"):
            await upload(fake, tmp_path)
        assert set(fake.uploads) == {"earlier", "longer"}
        assert fake.objects == {"b": {}}


async def test_an_upload_that_may_be_another_program_s_is_kept(tmp_path: Path) -> None:
    with Unreadable(b"", now=0) as fake:
        with pytest.raises(ServiceError):
            await upload(fake, tmp_path)
        assert "now" in fake.uploads


@pytest.mark.parametrize("reply", [b"<R><Key>a&b</Key><UploadId>ID</UploadId></R>", b"<R><UploadId>ID</UploadId>"])
async def test_an_id_in_a_reply_that_is_not_xml(tmp_path: Path, reply: bytes) -> None:
    with Unreadable(reply) as fake:
        await upload(fake, tmp_path)
        assert fake.objects["b"] == {"k": DATA}
        assert fake.uploads == {}
