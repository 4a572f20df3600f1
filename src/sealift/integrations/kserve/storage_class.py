"""`Storage` of the package kserve-storage."""

import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, overload

from ...errors import InvalidConfig
from ...types.argument_checks import checked_items, path_text
from .downloads import Downloads, Pair

__all__ = ["Storage"]

PathT = TypeVar("PathT", bound=os.PathLike[str])


class Storage:
    """Downloads models by the rules of kserve-storage 0.21; the documentation lists where sealift differs.

    All settings come from the environment variables of KServe's storage initializer, which stay unchanged.

    Example:
        >>> from kserve_storage import Storage
        >>> model_dir = Storage.download("s3://ml-models/iris", "/mnt/models")
    """

    @staticmethod
    def download_files(
        source_uris: Sequence[str | os.PathLike[str]],
        out_dirs: Sequence[str | os.PathLike[str] | None],
        allow_patterns: Iterable[str] | str | None = None,
        ignore_patterns: Iterable[str] | str | None = None,
    ) -> list[Any]:
        """Download several models at once; the first failure ends the others.

        Args:
            source_uris: URIs or local paths.
            out_dirs: A directory for each, or None as in `download`.
            allow_patterns: As in `download`.
            ignore_patterns: As in `download`.

        Returns:
            The directories, as given.

        Raises:
            InvalidConfig: There are not as many directories as URIs, or an argument has the wrong type.
            StorageError: As in `download`.
        """
        uris, outs = list(checked_items("source_uris", source_uris)), list(checked_items("out_dirs", out_dirs))
        if len(uris) != len(outs):
            raise InvalidConfig(f"{len(uris)} URIs, but {len(outs)} directories")
        pairs = [_pair(uri, out_dir) for uri, out_dir in zip(uris, outs, strict=True)]
        paths = Downloads(os.environ, allow_patterns, ignore_patterns).run(pairs)
        return [path if given is None else given for path, given in zip(paths, outs, strict=True)]

    @overload
    @staticmethod
    def download(
        uri: str | os.PathLike[str],
        out_dir: str | None = None,
        allow_patterns: Iterable[str] | str | None = None,
        ignore_patterns: Iterable[str] | str | None = None,
    ) -> str: ...

    @overload
    @staticmethod
    def download(
        uri: str | os.PathLike[str],
        out_dir: PathT,
        allow_patterns: Iterable[str] | str | None = None,
        ignore_patterns: Iterable[str] | str | None = None,
    ) -> PathT: ...

    @staticmethod
    def download(
        uri: str | os.PathLike[str],
        out_dir: str | os.PathLike[str] | None = None,
        allow_patterns: Iterable[str] | str | None = None,
        ignore_patterns: Iterable[str] | str | None = None,
    ) -> str | os.PathLike[str]:
        """Download a model into a directory.

        Args:
            uri: URI of an object, a prefix, a repository or a file on a web server; or a local path, which is linked.
                A single tar or zip archive is unpacked.
            out_dir: The directory; it is created if it does not exist. None: a new temporary directory; a local path
                is returned as it is.
            allow_patterns: Download only files whose path relative to the prefix matches one of these `fnmatch`
                patterns. None: those of `STORAGE_ALLOW_PATTERNS`. They do not apply to a single object of S3 or Google
                Cloud Storage, to files of web servers, or to the entries of archives.
            ignore_patterns: Skip files whose path matches one of these. None: those of `STORAGE_IGNORE_PATTERNS`.

        Returns:
            `out_dir` exactly as given, also for a single file.

        Raises:
            InvalidConfig: An argument has the wrong type.
            ModelMissingError: There is no such model, or the patterns exclude everything.
            StorageError: Any other failure; a `RuntimeError`, as all failures are.
        """
        [path] = Downloads(os.environ, allow_patterns, ignore_patterns).run([_pair(uri, out_dir)])
        return path if out_dir is None else out_dir


def _pair(uri: object, out_dir: object) -> Pair:
    return Pair(path_text("uri", uri), None if out_dir is None else path_text("out_dir", out_dir))
