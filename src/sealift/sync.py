"""`Storage` and `StorageOperations`: the verbs of `AsyncStorage` for code without an event loop."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .config import StorageConfig
from .portal import Portal
from .types import OnEvent
from .uri import get_storage_spec, is_local

if TYPE_CHECKING:
    from .client import AsyncStorage

__all__ = ["Storage", "StorageOperations"]


def _open() -> "AsyncStorage":
    from .client import AsyncStorage  # noqa: PLC0415 - not before the first call: it loads asyncio and more

    return AsyncStorage()


_portal: Portal["AsyncStorage"] = Portal(_open)


class Storage:
    """Moves model artifacts, from any thread, with or without an event loop running there.

    All calls of a process share one engine, its connections and its byte budget, in a thread of its own. It also works
    after `os.fork`, in daemonic processes, and until the interpreter exits.

    Example:
        >>> path = Storage.download("s3://ml-models/iris/model.joblib")
    """

    @staticmethod
    def download(
        uri: str,
        dest: str | os.PathLike[str] | None = None,
        config: StorageConfig | None = None,
        *,
        allow_patterns: Iterable[str] | str | None = None,
        ignore_patterns: Iterable[str] | str | None = None,
        on_event: OnEvent | None = None,
    ) -> str:
        """Bring an object, or all objects under a prefix, to the local disk.

        An interrupt (Ctrl-C) cancels the transfer and waits for its cleanup; a second one does not wait.

        Args:
            uri: Storage URI of an object or a prefix, or a local path. An object wins over a prefix of the same name.
            dest: For an object the file, or, if it ends in "/" or is a directory, the directory that receives the
                file. For a prefix the directory that receives the keys relative to the prefix. None: a new
                temporary directory; a local URI is returned as it is.
            config: How to sign in. None: what the environment says.
            allow_patterns: Only objects whose path relative to the prefix (for an object: whose name) matches one of
                these, as in `fnmatch`.
            ignore_patterns: No objects whose path matches one of these.
            on_event: Told of progress in the engine's thread; must not block.

        Returns:
            The path of the file, or of the directory for a prefix.

        Raises:
            InvalidURI: `uri` is no storage URI.
            ModelMissingError: There is nothing there, or nothing that the patterns let through.
            AccessDenied: The credentials are wrong or not allowed to read it.
            UnsafeKey: A key would leave `dest`.
            StorageError: Any other failure. Files appear under their names only when they are whole and verified; a
                directory that did not exist appears as a whole.
        """
        return _portal.call(
            lambda storage: storage.download(
                uri,
                dest,
                config,
                allow_patterns=allow_patterns,
                ignore_patterns=ignore_patterns,
                on_event=on_event,
            )
        )

    is_local = staticmethod(is_local)
    get_storage_spec = staticmethod(get_storage_spec)


class StorageOperations:
    """Single steps on a storage, for code without an event loop."""

    @staticmethod
    def list_objects(uri: str, config: StorageConfig | None = None) -> list[str]:
        """Name the objects under a prefix.

        Args:
            uri: Storage URI or local path.
            config: How to sign in. None: what the environment says.

        Returns:
            Their paths relative to the URI, so that `f"{uri.rstrip('/')}/{path}"` is an object's URI; for the URI of an
            object its name alone. Directory markers are left out.

        Raises:
            ModelMissingError: There is nothing there.
            StorageError: Any other failure.
        """
        return _portal.call(lambda storage: storage.list_objects(uri, config))

    @staticmethod
    def get_object_metadata(uri: str, config: StorageConfig | None = None) -> dict[str, Any]:
        """Tell what the service knows of an object.

        Args:
            uri: Storage URI or local path of an object or a prefix.
            config: How to sign in. None: what the environment says.

        Returns:
            `uri`, `type` ("object" or "prefix"), `size` in bytes, `modified_time` (an aware datetime), `etag`,
            `version`, `content_type`, `checksums` (algorithm → hex digest) and `metadata` (the user's own). What is
            not known is None; of a prefix only its `uri` and `type` are.

        Raises:
            ModelMissingError: There is nothing there.
            StorageError: Any other failure.
        """
        return _portal.call(lambda storage: storage.get_object_metadata(uri, config))
