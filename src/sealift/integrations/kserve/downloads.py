"""Downloading models into directories: local ones are linked, all others are downloaded by one engine."""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from ...api.facade_thread import run_shared
from ...config import GCSConfig, StorageConfig
from ...errors import AccessDenied, LocalIOError
from ...operations.local_destination import check_destination
from ...types import OnEvent
from ...uri import Location
from ...uris.redaction import redacted
from .environment import limits_of, strict, translated
from .local_source import is_local, link, served_by_agent
from .logs import logger
from .model_patterns import of_objects, patterns_of
from .service_config import service_config, without_userinfo
from .temporary_files import temporary_files
from .verification import not_comparable, trust_of

if TYPE_CHECKING:
    from ...api.async_storage import AsyncStorage
    from ...types.trust import Trust

__all__ = ["Downloads", "Pair"]

_GIT = {"git+https", "git+http"}


class Pair(NamedTuple):
    """A model and its destination.

    Attributes:
        uri: URI or local path.
        out_dir: Directory. None: a new temporary directory; a local path is not copied.
    """

    uri: str
    out_dir: str | None


class _Prepared(NamedTuple):
    """A pair whose directory exists, and whose local files are linked.

    Attributes:
        shown: The URI, without what may be secret.
        path: The directory, exactly as given.
        location: What is to be downloaded. None: nothing.
        config: Credentials and endpoint. None: from the environment.
        temporary: Whether the directory was created for this call.
    """

    shown: str
    path: str
    location: Location | None = None
    config: StorageConfig | None = None
    temporary: bool = False


class Downloads:
    """Downloads of models by the rules of kserve-storage, in the environment of a pod.

    Args:
        environ: The environment.
        allow_patterns: Patterns of the files to download. None: those of the environment.
        ignore_patterns: Patterns of the files to leave out. None: those of the environment.
        on_event: Called in the engine's thread with the progress events of all models. None: nothing is called.

    Raises:
        InvalidConfig: A variable of the environment is not valid.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        allow_patterns: Iterable[str] | str | None = None,
        ignore_patterns: Iterable[str] | str | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        self._environ = translated(environ)
        self._patterns = patterns_of(environ, allow_patterns, ignore_patterns)
        self._on_event = on_event
        self._trust: Trust | None = None

    def run(self, pairs: Sequence[Pair]) -> list[str]:
        """Download all models; the first failure ends the others.

        They are downloaded at once, unless a directory belongs to two models or lies in that of another: then one after
        the other, because the last one replaces files of those before.

        Args:
            pairs: The models.

        Returns:
            The directory of each, exactly as given.

        Raises:
            StorageError: Any failure.
        """
        for pair in pairs:
            if pair.out_dir is not None:
                check_destination(pair.out_dir)
        self._trust = trust_of(self._environ, len(pairs))
        groups = [pairs] if _are_apart(pairs) else [[pair] for pair in pairs]
        return [path for group in groups for path in self._run_at_once(group)]

    def _run_at_once(self, pairs: Sequence[Pair]) -> list[str]:
        prepared: list[_Prepared] = []
        try:
            for pair in pairs:
                prepared.append(self._prepare(pair))  # noqa: PERF401 - those before a failure are needed
            git = [each.path for each in prepared if each.location and each.location.scheme in _GIT]
            with temporary_files(self._environ, git[0]) if git else nullcontext(self._environ) as environ:
                if any(each.location for each in prepared):
                    run_shared(lambda _: self._download_all(prepared, environ))
        except BaseException:
            from shutil import rmtree  # noqa: PLC0415 - slow to import

            for each in prepared:
                if each.temporary:  # the caller will not learn its path
                    rmtree(each.path, ignore_errors=True)
            raise
        return [each.path for each in prepared]

    def _prepare(self, pair: Pair) -> _Prepared:
        uri, userinfo = without_userinfo(pair.uri)
        shown = redacted(uri)
        start = time.monotonic()
        logger.info("Copying contents of %s to local", shown)
        if not self._patterns.match_all:
            logger.info("Allow patterns: %s, ignore patterns: %s", self._patterns.allow, self._patterns.ignore)
        if self._trust is not None and (served_by_agent(uri, pair.out_dir) or is_local(uri)):
            raise not_comparable(uri)
        if served_by_agent(uri, pair.out_dir):
            done = self._into_directory(shown, pair.out_dir)
            _log_success(done, start)
            return done
        if is_local(uri):
            return self._prepare_local(uri, pair.out_dir, start)
        from .model_location import location_of  # noqa: PLC0415 - as below, not needed for local models

        location = location_of(uri)
        config = service_config(location, self._environ, userinfo)
        return self._into_directory(shown, pair.out_dir)._replace(location=location, config=config)

    def _prepare_local(self, uri: str, out_dir: str | None, start: float) -> _Prepared:
        if out_dir is not None:
            _make_directory(out_dir)
        path, archive = link(uri, out_dir, of_objects(self._patterns))
        done = _Prepared(uri, path)
        if archive is not None:
            from ...uri import parse  # noqa: PLC0415

            return done._replace(location=parse(archive))
        _log_success(done, start)
        return done

    def _into_directory(self, shown: str, out_dir: str | None) -> _Prepared:
        if out_dir is not None:
            _make_directory(out_dir)
            return _Prepared(shown, out_dir)
        import tempfile  # noqa: PLC0415 - slow to import, and not needed by the initializer

        try:
            return _Prepared(shown, tempfile.mkdtemp(prefix="sealift-"), temporary=True)
        except OSError as error:
            cause = f"cannot create a temporary directory: {error.strerror}"
            raise LocalIOError(cause, hint="pass out_dir, or set TMPDIR") from None

    async def _download_all(self, prepared: Sequence[_Prepared], environ: Mapping[str, str]) -> None:
        from ...api.async_storage import AsyncStorage  # noqa: PLC0415
        from ...api.many import gather  # noqa: PLC0415

        limits = limits_of(self._environ, {each.location.scheme for each in prepared if each.location})
        async with AsyncStorage(limits, environ=environ) as storage:
            calls = [partial(self._download, storage, each, each.location) for each in prepared if each.location]
            await gather(calls, len(calls), return_exceptions=False)

    async def _download(self, storage: "AsyncStorage", prepared: _Prepared, location: Location) -> None:
        from .model import Model  # noqa: PLC0415

        start = time.monotonic()

        def model(config: StorageConfig | None) -> Model:
            # The digest is that of the model: other files whose names only begin alike would not be compared.
            alike = strict(self._environ) and self._trust is None
            settings = config, alike, self._on_event, self._trust
            # Not as given: there, "~" is the home directory for sealift, but the name of a directory for KServe.
            return Model(storage, location, os.path.realpath(prepared.path), self._patterns, *settings)

        try:
            await model(prepared.config).download()
        except AccessDenied as error:
            if location.scheme != "gs" or prepared.config is not None or not _without_credentials(error):
                raise
            logger.info("No credentials for Google Cloud Storage were found, retrying anonymous access")
            await model(GCSConfig(anonymous=True)).download()
        _log_success(prepared, start)


def _log_success(prepared: _Prepared, start: float) -> None:
    logger.info("Successfully copied %s to %s", prepared.shown, prepared.path)
    logger.info("Model downloaded in %s seconds.", time.monotonic() - start)


def _without_credentials(error: AccessDenied) -> bool:
    from ...backends.gcs.metadata_server import NO_CREDENTIALS  # noqa: PLC0415 - loaded by the call that failed

    return error.code == NO_CREDENTIALS


def _make_directory(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise LocalIOError(f"cannot create the directory {path}: {error.strerror}") from None


def _are_apart(pairs: Sequence[Pair]) -> bool:
    """Whether no directory is that of two models, or lies in that of another."""
    paths = sorted(f"{os.path.realpath(pair.out_dir)}/" for pair in pairs if pair.out_dir is not None)
    return not any(second.startswith(first) for first, second in pairwise(paths))
