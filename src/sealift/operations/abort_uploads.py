"""Aborting unfinished uploads that earlier calls have left."""

from functools import partial

from ..engine import resume_upload
from ..errors import LocalIOError
from ..persist import unfinished_uploads
from ..runtime.shielded import shielded
from .open_location import OpenLocation

__all__ = ["abort_uploads"]


async def abort_uploads(place: OpenLocation) -> int:
    """Abort the unfinished uploads to an object, or to all objects under a prefix; see `AsyncStorage.abort_uploads`."""
    backend, instance = place.backend, place.instance
    records: list[unfinished_uploads.UploadRecord] = []
    try:
        await instance.disk.run(lambda: records.extend(_lock(place)))
        for record in records:
            await instance.retry(partial(resume_upload.abort_recorded, backend, record, instance.disk))
    finally:
        for record in records:
            await shielded(instance.disk.run(record.release, short=True))
    return len(records)


def _lock(place: OpenLocation) -> list[unfinished_uploads.UploadRecord]:
    """Blocking: the records of the uploads to an object or under a prefix."""
    directory, key = resume_upload.records_directory(place.instance), place.location.key
    prefix = f"{key.rstrip('/')}/" if key else ""
    if directory is None or not place.backend.address:
        return []
    try:
        return unfinished_uploads.lock_all(
            directory, place.backend.address, lambda name: name == key or name.startswith(prefix)
        )
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LocalIOError(f"the records of unfinished uploads in {directory} cannot be read: {error}") from None
