"""Downloads that are accepted only as they were signed: read the signature, verify who made it, then download."""

import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ..config import StorageConfig
from ..errors import LocalIOError, ModelMissingError, SignatureError
from ..keys.patterns import Patterns
from ..operations.call_options import CallOptions
from ..operations.deadline import Deadline
from ..runtime.detached import run_detached
from ..trust import signature
from ..trust.bundle import Bundle
from ..trust.manifest import Manifest, read_manifest
from ..trust.signed_files import SignedFiles
from ..types.argument_checks import wrong_type
from ..types.trust import Trust
from ..uri import parse
from .argument_types import StrPath

if TYPE_CHECKING:
    from .verbs.reading import ReadVerbs

__all__ = ["check_local", "check_trust", "download_with_warning", "signed_files"]

_ALL = Patterns.of(None, None)
_log = logging.getLogger("sealift.trust")


def check_trust(trust: object) -> None:
    """Raise InvalidConfig if this is not a `Trust`."""
    if not isinstance(trust, Trust):
        raise wrong_type("trust", trust, "Trust(…)")


async def signed_files(
    storage: "ReadVerbs", trust: Trust, uri: StrPath, config: StorageConfig | None, deadline: Deadline
) -> SignedFiles | None:
    """Read and verify a signature.

    Args:
        storage: Reads the signature and the keys.
        trust: What to verify it with.
        uri: What will be downloaded.
        config: Configuration of that URI; it also applies to a signature in the same storage.
        deadline: When the call must be done.

    Returns:
        The files that were signed. None: the signature is not valid, and `trust.mode` is "warn", so a warning says so.

    Raises:
        SignatureError: The signature is not valid.
        InvalidConfig: The keys cannot be used.
        StorageError: Signature or keys cannot be read.
    """
    check_trust(trust)
    if trust.digest is not None:
        return SignedFiles(digest=trust.digest.removeprefix("sha256:"))

    about = parse(uri)

    async def read(what: StrPath | bytes) -> bytes:
        if isinstance(what, bytes):
            return what
        if isinstance(what, str) and what.lstrip().startswith(("-----BEGIN ", "{")):
            return what.encode()
        there = parse(what)
        # What authorizes requests to one web server must not be sent to another.
        same = there.scheme == about.scheme and (there.scheme not in {"http", "https"} or there.root == about.root)
        return await storage.read(what, config=config if same else None)

    assert trust.signature is not None  # noqa: S101 - for mypy: Trust has checked it
    try:
        with deadline.enforced():
            try:
                text = await read(trust.signature)
            except ModelMissingError as error:
                if trust.mode == "enforce":
                    raise
                _log.warning("the model is not signed: %s", error)
                return None
            given = trust.key or trust.certificate_chain or trust.trust_root
            evidence = None if given is None else await read(given)
            manifest = await run_detached(partial(_verify, trust, text, evidence))
    except SignatureError as error:
        error.uri = error.uri or str(parse(trust.signature))
        if trust.mode == "enforce":
            raise
        _log.warning("%s", error)
        return None
    return SignedFiles(manifest, signature=os.fspath(trust.signature))


def _verify(trust: Trust, text: bytes, evidence: bytes | None) -> Manifest:
    bundle = Bundle.read(text)
    if trust.key is not None:
        payload = signature.verify_key(bundle, evidence or b"")
    elif trust.certificate_chain is not None:
        payload = signature.verify_certificate(bundle, evidence or b"")
    else:
        payload = signature.verify_identity(bundle, trust.identity or "", trust.issuer or "", evidence)
    return read_manifest(payload)


async def download_with_warning(
    download: Callable[[CallOptions], Awaitable[str]], options: CallOptions, signed: SignedFiles, uri: StrPath
) -> str:
    """Download whatever there is, and log a warning if it is not what was signed.

    Args:
        download: Downloads with the given options.
        options: The options of the call, without what was signed.
        signed: What was signed.
        uri: What is downloaded.

    Returns:
        The path of the file or directory.

    Raises:
        StorageError: The download failed.
    """
    if signed.manifest is not None and not options.unpack:
        path = await download(options)
        await check_local(path, signed, "warn", patterns=options.patterns, name=parse(uri).name)
        return path
    try:  # an archive can only be compared while it arrives
        return await download(replace(options, signed=signed))
    except SignatureError as error:
        _log.warning("%s", error)
    return await download(options)


async def check_local(
    path: str,
    signed: SignedFiles,
    mode: str = "enforce",
    *,
    patterns: Patterns = _ALL,
    name: str = "",
) -> int:
    """Compare the files of a local directory, or one file, with those that were signed.

    Args:
        path: The directory or file.
        signed: The files that were signed.
        mode: "warn": a difference is only logged.
        patterns: Which files of the directory are compared.
        name: The name under which a single file was signed. "": its own.

    Returns:
        The number of files that were signed and compared.

    Raises:
        SignatureError: They differ.
        LocalIOError: A file cannot be read.
    """
    try:
        return await run_detached(partial(signed.check_directory, path, patterns, name))
    except OSError as error:
        raise LocalIOError(f"{error.filename or path}: {error.strerror}") from None
    except SignatureError as error:
        error.uri = error.uri or path
        if mode == "enforce":
            raise
        _log.warning("%s", error)
        return 0
