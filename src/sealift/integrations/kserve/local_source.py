"""Models on a mounted volume or the local disk: they are linked, not copied."""

import glob
import os

from ...errors import LocalIOError, ModelMissingError
from ...keys.patterns import Patterns
from .archive_names import is_archive
from .logs import logger

__all__ = ["MODEL_DIRECTORY", "is_local", "link", "served_by_agent"]

MODEL_DIRECTORY = "/mnt/models"
"""Where KServe mounts models; as a URI: the model agent provides the model."""

_PVC_DIRECTORY = "/mnt/pvc"
_SCHEME = "file://"


def is_local(uri: str) -> bool:
    """Whether a URI is a path that exists, or a file:// URI.

    Raises:
        ModelMissingError: It is a path in a volume that KServe mounts, and does not exist.
    """
    if uri.startswith(_PVC_DIRECTORY) and not os.path.exists(uri):
        raise ModelMissingError(uri, cause=f"Cannot locate source uri {uri} for PVC")
    return uri.startswith(_SCHEME) or os.path.exists(uri)


def served_by_agent(uri: str, out_dir: str | None) -> bool:
    """Whether there is nothing to do, because KServe's model agent provides the model in this directory.

    Args:
        uri: URI of the model.
        out_dir: Destination.
    """
    if not uri.startswith(MODEL_DIRECTORY):
        return False
    if not os.path.exists(uri):
        return True
    if out_dir is None:
        return False  # the caller wants the directory itself
    return os.path.realpath(uri) == os.path.realpath(out_dir) or (os.path.isdir(uri) and not os.listdir(uri))


def link(uri: str, out_dir: str | None, patterns: Patterns) -> tuple[str, str | None]:
    """Link a file, or what a directory has at its top, into another directory. Existing names stay as they are.

    Args:
        uri: file:// URI or path.
        out_dir: The directory, which exists. None: nothing is linked.
        patterns: Which names to link.

    Returns:
        The directory, or the local path if there is none; and the path of the archive to unpack, if it is all there is.

    Raises:
        ModelMissingError: The path does not exist, or has nothing to link.
        LocalIOError: A link cannot be created.
    """
    path = uri.replace(_SCHEME, "", 1)
    if not os.path.exists(path):
        raise ModelMissingError(path, cause=f"Local path {uri} does not exist.")
    if out_dir is None:
        return path, None
    # Hidden files are left out, as by the "*" of a shell.
    sources = glob.glob(os.path.join(glob.escape(path), "*")) if os.path.isdir(path) else [path]
    selected = []
    for source in sorted(sources):
        if patterns.matches(os.path.basename(source)):
            selected.append(os.path.abspath(source))
        else:
            logger.info("Skipping %s due to file pattern filter", source)
    if not selected:
        raise ModelMissingError(path, cause=f"Failed to fetch model. No model found in {uri}.")
    if len(selected) == 1 and os.path.isfile(selected[0]) and is_archive(selected[0]):
        return out_dir, selected[0]
    for source in selected:
        _link(source, os.path.join(out_dir, os.path.basename(source)))
    return out_dir, None


def _link(source: str, dest: str) -> None:
    logger.info("Linking: %s to %s", source, dest)
    if os.path.exists(dest):
        logger.info("File %s already exist", dest)
        return
    try:
        if os.path.islink(dest):  # of an earlier run, to a file that is gone
            os.unlink(dest)
        os.symlink(source, dest)
    except OSError as error:
        raise LocalIOError(f"cannot link {dest} to {source}: {error.strerror}") from None
