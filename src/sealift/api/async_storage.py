"""`AsyncStorage`: what users create. Its verbs are in `verbs/`, one file per topic; `operations/` does the work.

The verbs have their signatures and their documentation there, from which the sync facade in `blocking.py` is generated.
Inside a method, a name such as `copy` is the operation; `self.copy` would be the method. Operations are imported after
their location is opened: `Lifetime` loads the module of the verb in a thread.
"""

from collections.abc import Mapping
from typing import Self

from ..config import StorageConfigs
from ..types import Limits, OnEvent
from ..uri import get_storage_spec, is_local
from .lifetime import Lifetime
from .verbs.copying import CopyVerbs
from .verbs.downloads import DownloadVerbs
from .verbs.listing import ListVerbs
from .verbs.many import ManyVerbs
from .verbs.objects import ObjectVerbs
from .verbs.writing import WriteVerbs

__all__ = ["AsyncStorage"]


class AsyncStorage(DownloadVerbs, WriteVerbs, CopyVerbs, ObjectVerbs, ListVerbs, ManyVerbs):
    """Moves model artifacts, from within an event loop.

    Inside `async with` its connections, threads and buffers stay open until the end of the block; without it, from the
    first running call to the last. Meanwhile it belongs to that event loop; then another one may use it, for example
    the next `asyncio.run`.

    Args:
        limits: Limits on memory and connections, over all calls of the instance. None: the `SEALIFT_…` variables of
            the environment, as in `Limits.from_env`.
        config: Credentials and endpoints of calls without a `config` of their own: one configuration; several, each for
            the URIs of its service; or a mapping from URI prefixes to configurations. A prefix is a scheme ("s3://") or
            a URI ("s3://backup/", "https://example.com/models/"), and the longest one that contains the URI of the
            call applies. None, or none that applies: from the environment.
        environ: Environment variables for limits, credentials, endpoints and proxies. None: this process's.
        on_event: Called with a "retry" or "paused" event when a request of a call without an `on_event` has to wait.

    Raises:
        InvalidConfig: An argument, or a `SEALIFT_…` variable, cannot be used.

    Example:
        >>> async with AsyncStorage() as storage:
        ...     path = await storage.download("s3://ml-models/iris/", "/mnt/models/iris")
        >>> minio = S3Config("KEY", "secret", endpoint_url="http://minio:9000")
        >>> storage = AsyncStorage(config={"s3://": S3Config(profile="models"), "s3://backup/": minio})
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        config: StorageConfigs | None = None,
        environ: Mapping[str, str] | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        self._lifetime = Lifetime(limits, environ, on_event, config)

    async def __aenter__(self) -> Self:
        self._lifetime.enter()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._lifetime.leave(linger=False)

    async def aclose(self) -> None:
        """Close the instance: calls that begin later raise ClosedError.

        Calls that are running finish, and the connections are closed with the last of them; of a `*_many` call, the
        items that have begun. Not needed after `async with`, which does not prevent later calls. May be called twice.

        Example:
            >>> storage = AsyncStorage(config=S3Config(profile="models"))  # when a server starts
            >>> await storage.aclose()                                     # when it stops
        """
        await self._lifetime.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._lifetime.arguments})"

    is_local = staticmethod(is_local)
    get_storage_spec = staticmethod(get_storage_spec)
