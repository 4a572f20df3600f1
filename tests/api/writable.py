"""A writable fake S3, for replies that a real service cannot be made to give.

Follows the AWS documentation: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html and
API_CopyObject.html in the same place.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from tests.api.servers import Asked, FakeS3, Reply, failure


class WritableS3(FakeS3):
    """Accepts objects in one request or in parts, and copies objects.

    Attributes:
        uploads: Unfinished multipart uploads: part numbers and bytes.
    """

    def __init__(self, *buckets: str, **options: Any) -> None:
        super().__init__({bucket: {} for bucket in buckets or ("b",)}, **options)
        self.uploads: dict[str, dict[int, bytes]] = {}
        self._begun = 0
        self._told: dict[bytes, dict[str, str]] = {}  # body → headers: ETag, checksum

    def usual(self, asked: Asked) -> Reply:
        """The reply without `instead`."""
        return self._answer(asked)

    def _answer(self, asked: Asked) -> Reply:
        if asked.method == "GET" and "uploadId" in asked.query:
            return self._list_parts(asked.query)
        return super()._answer(asked)

    def _list_parts(self, query: Mapping[str, str]) -> Reply:
        """API_ListParts.html, with two parts per page."""
        stored = self.uploads.get(query["uploadId"])
        if stored is None:
            return failure(404, "NoSuchUpload")
        numbers = [number for number in sorted(stored) if number > int(query.get("part-number-marker", 0))]
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{self.tag(stored[number])}</ETag>"
            f"<Size>{len(stored[number])}</Size></Part>"
            for number in numbers[:2]
        )
        end = f"<NextPartNumberMarker>{numbers[1]}</NextPartNumberMarker>" if len(numbers) > 2 else ""
        return Reply(
            200,
            f"<ListPartsResult>{end}<IsTruncated>{str(len(numbers) > 2).lower()}</IsTruncated>{parts}"
            "</ListPartsResult>".encode(),
        )

    def _write(self, bucket: str, key: str, asked: Asked) -> Reply:
        query, body = asked.query, asked.body
        source = asked.headers.get("x-amz-copy-source")
        if asked.method == "POST" and "delete" in query:
            gone = {found.text for found in ET.fromstring(body).iter() if found.tag.endswith("}Key")}
            kept = {name: data for name, data in self.objects[bucket].items() if name not in gone}
            self.objects[bucket] = kept
            return Reply(200, b"<DeleteResult/>")
        if asked.method == "POST" and "uploads" in query:
            self._begun += 1
            self.uploads[f"upload-{self._begun}"] = {}
            return Reply(200, f"<R><UploadId>upload-{self._begun}</UploadId></R>".encode())
        if "uploadId" in query and query["uploadId"] not in self.uploads:
            return failure(404, "NoSuchUpload")
        if asked.method == "DELETE":
            self.uploads.pop(query.get("uploadId", ""), None)
            return Reply(204)
        if asked.method == "POST":
            return self._complete(bucket, key, asked)
        if source is not None:
            place, _, name = unquote(source).partition("/")
            body = self.objects[place][name]
            if "x-amz-copy-source-range" in asked.headers:
                first, last = asked.headers["x-amz-copy-source-range"].removeprefix("bytes=").split("-")
                body = body[int(first) : int(last) + 1]
        told = {"ETag": self.tag(body), **_checksums(asked)}
        if "uploadId" in query:
            self.uploads[query["uploadId"]][int(query["partNumber"])] = body
        else:
            self.replace(bucket, key, body)
            self._told[body] = told
        return Reply(200, f"<R><ETag>{told['ETag']}</ETag></R>".encode() if source else b"", told)

    def _complete(self, bucket: str, key: str, asked: Asked) -> Reply:
        stored = self.uploads.pop(asked.query["uploadId"])
        numbers = [int(number.text or 0) for number in ET.fromstring(asked.body).iter() if "PartNumber" in number.tag]
        parts = [stored[number] for number in numbers]
        whole = b"".join(parts)
        digest = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
        told = {"ETag": f'"{digest}-{len(parts)}"', **_checksums(asked)}
        self.replace(bucket, key, whole)
        self._told[whole] = told
        return Reply(200, f"<R><ETag>{told['ETag']}</ETag></R>".encode())

    def _object(self, key: str, data: bytes, asked: Asked) -> Reply:
        reply = super()._object(key, data, asked)
        reply.headers |= self._told.get(data, {}) if reply.status in {200, 206} else {}
        return reply


def _checksums(asked: Asked) -> dict[str, str]:
    return {name: value for name, value in asked.headers.items() if name.startswith("x-amz-checksum-")}


def is_complete(asked: Asked) -> bool:
    return asked.method == "POST" and "uploadId" in asked.query


def is_begin(asked: Asked) -> bool:
    return asked.method == "POST" and "uploads" in asked.query


def once(wanted: Callable[[Asked], bool], reply: Callable[[Asked], Reply]) -> Callable[[Asked], Reply | None]:
    """Replace the reply to the first matching request only."""
    answered: list[Asked] = []

    def instead(asked: Asked) -> Reply | None:
        if answered or not wanted(asked):
            return None
        answered.append(asked)
        return reply(asked)

    return instead


def always(wanted: Callable[[Asked], bool], reply: Callable[[Asked], Reply]) -> Callable[[Asked], Reply | None]:
    return lambda asked: reply(asked) if wanted(asked) else None
