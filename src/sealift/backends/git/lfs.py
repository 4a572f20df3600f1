"""Where the files in Git LFS are: https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md."""

import asyncio
import json
from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from ...errors import AccessDenied, ModelMissingError, ServiceError, StorageError, TransportError
from ...wire import Origin, Request
from ...wire.address_policy import allowed_after_redirect
from ...wire.redirect import as_target
from . import replies
from .checkout import StoredFile
from .remote import Remote

__all__ = ["LFS"]

_MEDIA_TYPE = "application/vnd.git-lfs+json"
# Files that are asked for in one request.
_BATCH = 100
# Headers that a server may not choose, because they decide which bytes are returned.
_RESERVED = {"accept-encoding", "connection", "content-length", "host", "range", "transfer-encoding", "user-agent"}


class LFS:
    """The download URLs of the files of a commit, requested for many files at once.

    Args:
        remote: Sends requests to the server of the repository, which is also that of its LFS files.
        files: The files of the commit that are in LFS.
    """

    def __init__(self, remote: Remote, files: Iterable[StoredFile]) -> None:
        self._remote = remote
        self._files = {file.sha256: file for file in files}
        self._found: dict[str, Request | StorageError] = {}
        self._asking = asyncio.Lock()

    async def request(self, file: StoredFile, *, expired: Collection[Request] = ()) -> Request:
        """Return the request that reads a file.

        Args:
            file: The file.
            expired: Requests that have expired.

        Raises:
            StorageError: The server does not have the file, or returned an error.
        """
        async with self._asking:
            found = self._found.get(file.sha256)
            if found is None or found in expired:
                await self._ask(file, found)
                found = self._found[file.sha256]
        if isinstance(found, StorageError):
            del self._found[file.sha256]  # the next try asks again
            raise found
        return found

    async def _ask(self, file: StoredFile, expired: Request | StorageError | None) -> None:
        """Ask where a file is, and others that nobody has asked for yet."""
        others = (each for each in self._files.values() if each.sha256 not in self._found and each is not file)
        wanted = [file, *islice(others, 0 if expired else _BATCH - 1)]
        objects = [{"oid": each.sha256, "size": each.size} for each in wanted]
        body = {"operation": "download", "transfers": ["basic"], "objects": objects, "hash_algo": "sha256"}
        request = self._remote.request(
            "POST", "/info/lfs/objects/batch", ("accept", _MEDIA_TYPE), ("content-type", _MEDIA_TYPE)
        )
        reply = await self._remote.instance.wire.send(request, memoryview(json.dumps(body).encode()))
        if reply.status != 200:
            raise replies.error(reply, "the Git LFS server of the repository", signed_in=self._remote.signed_in)
        try:
            answers = {str(each["oid"]): each for each in json.loads(reply.body)["objects"]}
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ServiceError("the reply of the Git LFS server cannot be read") from None
        for each in wanted:
            self._found[each.sha256] = self._answer(answers.get(each.sha256), each, request)

    def _answer(self, answer: Any, file: StoredFile, asked: Request) -> Request | StorageError:
        try:
            if "error" in answer:
                return self._refused(int(answer["error"]["code"]), file)
            action = answer["actions"]["download"]
            url, headers = str(action["href"]), dict(action.get("header") or {})
            origin = Origin.of(url)
            split = urlsplit(url)
        except (KeyError, TypeError, ValueError):  # InvalidConfig of Origin.of is a ValueError, too
            return ServiceError(f"the Git LFS server does not say where {file.sha256} is")
        if (asked.origin.scheme, origin.scheme) == ("https", "http"):
            return TransportError(f"the Git LFS server at {asked.origin.address} refers to a URL without TLS")
        kept = [(str(name).lower(), str(value)) for name, value in headers.items()]
        kept = [each for each in kept if each[0] not in _RESERVED]
        names = {name for name, _ in kept}
        own = {"accept-encoding", "user-agent"}
        # The credentials of the repository are for its own server only.
        if origin == asked.origin and not answer.get("authenticated"):
            own.add("authorization")
        kept += [each for each in asked.headers if each[0] in own - names]
        tls = asked.tls
        if origin != asked.origin:
            tls = replace(tls, allowed_addresses=allowed_after_redirect(asked.origin, tls.allowed_addresses))
        target = as_target((split.path or "/") + (f"?{split.query}" if split.query else ""))
        return Request("GET", origin, target, kept, tls, first_byte_timeout=asked.first_byte_timeout)

    def _refused(self, code: int, file: StoredFile) -> StorageError:
        if code in {401, 403}:
            return AccessDenied(f"access to {file.sha256} in Git LFS is denied ({code})", hint=replies.SIGN_IN)
        if code in {404, 410}:
            cause = f"the Git LFS server does not have the file {file.sha256} ({code})"
            return ModelMissingError(file.sha256, cause=cause, status=code)
        transient = code >= 500 or code == 429
        return ServiceError(f"the Git LFS server answered {code}", status=code, retryable=transient)
