"""Which files kserve-storage unpacks, by their names. No I/O."""

import mimetypes

__all__ = ["is_archive", "url_names_archive"]

_TYPES = {"application/x-tar", "application/zip"}
# Checkpoints of PyTorch, whose name only looks like that of an archive.
_CHECKPOINT = ".pth.tar"
# Python's own table: that of the machine would make the same model another one elsewhere.
_TABLE = mimetypes.MimeTypes()


def is_archive(name: str) -> bool:
    """Whether a file is a tar archive, plain or compressed, or a zip archive.

    Example:
        >>> [is_archive(name) for name in ("model.tar.gz", "model.tgz", "model.zip", "model.pth.tar", "model.bin")]
        [True, True, True, False, False]
    """
    return _type(name) in _TYPES and not name.lower().endswith(_CHECKPOINT)


def url_names_archive(path: str, query: str) -> bool:
    """Whether a URL names an archive: at the end of its path or, if that has no known extension, of its query.

    Example:
        >>> url_names_archive("/download", "file=model.tar.gz")
        True
    """
    return is_archive(path if _type(path) is not None or not query else query)


def _type(name: str) -> str | None:
    # Only the last segment: a name with a colon would be parsed as a URL.
    return _TABLE.guess_type(name.rpartition("/")[2].replace(":", "_"))[0]
