"""List the buckets of a project: https://cloud.google.com/storage/docs/json_api/v1/buckets/list"""

from typing import Any

from ...config import StorageConfig
from ...errors import InvalidConfig
from ...instance import Instance
from ...runtime.paging import ContinuationTokens
from ...uri import Location
from . import open_bucket, replies
from .bucket import Bucket
from .credentials import credentials_file

__all__ = ["list_buckets"]

_PATH = "/storage/v1/b"


async def list_buckets(config: StorageConfig | None, instance: Instance) -> list[str]:
    """List the names of all buckets in the project.

    Raises:
        InvalidConfig: No project is known.
        StorageError: The service refused the request.
    """
    service = await open_bucket(Location("gs", "*"), config, instance)
    project = await _project(service, instance)
    names: list[str] = []
    tokens, token = ContinuationTokens("the list of buckets"), ""
    while True:
        page = await instance.retry(lambda: _page(service, project, token))  # noqa: B023 - awaited here
        names += [str(item.get("name")) for item in page.get("items") or ()]
        token = page.get("nextPageToken") or ""
        if not token:
            return names
        tokens.check(token)


async def _page(service: Bucket, project: str, token: str) -> dict[str, Any]:
    query = {"project": project, "fields": "nextPageToken,items(name)"} | ({"pageToken": token} if token else {})
    reply = await service.send("GET", _PATH, query)
    if reply.status != 200:
        raise service.error(reply, None)
    return replies.json_object(reply)


async def _project(service: Bucket, instance: Instance) -> str:
    """The project: of the configuration, the environment, or the credentials file."""
    config, environ = service.config, instance.environ
    known = config.project_id or environ.get("GOOGLE_CLOUD_PROJECT")
    if not known and not config.anonymous:
        _, content = await instance.disk.run(lambda: credentials_file(config, environ))
        known = content.get("project_id") or content.get("quota_project_id")
    if not known:
        hint = "pass GCSConfig(project_id=…), or set GOOGLE_CLOUD_PROJECT"
        raise InvalidConfig("buckets are listed by project, and none is known", hint=hint)
    return str(known)
