"""`Storage` of the package kserve-storage."""

import os
from collections.abc import Iterable, Sequence

from ...errors import InvalidConfig
from .downloads import Downloads, Pair

__all__ = ["Storage"]


class Storage:
    """Downloads models by the rules of kserve-storage 0.21; the documentation lists where sealift differs.

    All settings come from the environment variables of KServe's storage initializer, which stay unchanged.

    Example:
        >>> from kserve_storage import Storage
        >>> model_dir = Storage.download("s3://ml-models/iris", "/mnt/models")
    """

    @staticmethod
    def download_files(
        source_uris: Sequence[str],
        out_dirs: Sequence[str | None],
        allow_patterns: Iterable[str] | str | None = None,
        ignore_patterns: Iterable[str] | str | None = None,
    ) -> list[str]:
        """Download several models at once; the first failure ends the others.

        Args:
            source_uris: URIs or local paths.
            out_dirs: A directory for each, or None as in `download`.
            allow_patterns: As in `download`.
            ignore_patterns: As in `download`.

        Returns:
            The directories, as given.

        Raises:
            InvalidConfig: There are not as many directories as URIs.
            StorageError: As in `download`.
        """
        if len(source_uris) != len(out_dirs):
            raise InvalidConfig(f"{len(source_uris)} URIs, but {len(out_dirs)} directories")
        pairs = [Pair(uri, out_dir) for uri, out_dir in zip(source_uris, out_dirs, strict=True)]
        return Downloads(os.environ, allow_patterns, ignore_patterns).run(pairs)

    @staticmethod
    def download(
        uri: str,
        out_dir: str | None = None,
        allow_patterns: Iterable[str] | str | None = None,
        ignore_patterns: Iterable[str] | str | None = None,
    ) -> str:
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
            ModelMissingError: There is no such model, or the patterns exclude everything.
            StorageError: Any other failure; a `RuntimeError`, as all failures are.
        """
        return Downloads(os.environ, allow_patterns, ignore_patterns).run([Pair(uri, out_dir)])[0]
