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

        Arguments, result and errors are those of `AsyncStorage.download`; `on_event` is called in the engine's thread.
        An interrupt (Ctrl-C) cancels the transfer and waits for its cleanup; a second one does not wait.
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
        """Name the objects under a prefix; see `AsyncStorage.list_objects`."""
        return _portal.call(lambda storage: storage.list_objects(uri, config))

    @staticmethod
    def get_object_metadata(uri: str, config: StorageConfig | None = None) -> dict[str, Any]:
        """Tell what the service knows of an object; see `AsyncStorage.get_object_metadata`."""
        return _portal.call(lambda storage: storage.get_object_metadata(uri, config))
