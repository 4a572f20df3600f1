"""Downloading one model into a directory, by the rules of kserve-storage."""

import os
from contextlib import aclosing
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlparse

from ...api.async_storage import AsyncStorage
from ...config import StorageConfig
from ...errors import InvalidURI, ModelMissingError, ServiceError
from ...frozen_dataclass import dataclass
from ...keys.paths import collapse, is_directory_marker, relative
from ...keys.patterns import Patterns
from ...types import ObjectInfo, OnEvent
from ...types.trust import Trust
from ...uri import Location
from .alike import download_alike
from .archive_names import is_archive, url_names_archive
from .model_location import decoded, uri_of
from .model_patterns import of_entries, of_modelscope, of_objects, of_repository

__all__ = ["Model"]

# Repositories and images are downloaded as they are: an archive in them stays packed.
_REPOSITORIES = {"hf", "oci", "git+https", "git+http", "modelscope"}
_HDFS = {"hdfs", "webhdfs", "swebhdfs"}
_NOTHING = "there is no such object or prefix"
_EXCLUDED = "the patterns exclude everything"


class _Below(NamedTuple):
    """What is below a prefix.

    Attributes:
        exists: Whether there is any object, not counting the markers of directories.
        selected: The keys of the first two objects that the patterns select.
    """

    exists: bool
    selected: list[str]


@dataclass(frozen=True, slots=True)
class Model:
    """One model to download.

    Attributes:
        storage: What downloads it.
        location: Where it is.
        out_dir: The directory that receives it; it exists.
        patterns: Which of its files are downloaded.
        config: Credentials and endpoint. None: from the environment.
        strict: Whether names that only begin like that of the model belong to it; see `download_alike`.
        on_event: Called with progress events. None: nothing is called.
        trust: What its only file is compared with. None: nothing.
    """

    storage: AsyncStorage
    location: Location
    out_dir: str
    patterns: Patterns
    config: StorageConfig | None = None
    strict: bool = False
    on_event: OnEvent | None = None
    trust: Trust | None = None

    async def download(self) -> None:
        """Download the model; if it is a single archive, unpack it.

        Raises:
            ModelMissingError: There is nothing to download.
            StorageError: Any other failure.
        """
        if self.location.scheme in {"http", "https"}:
            await self._download_url()
        elif self.location.scheme in _REPOSITORIES:
            of_scheme = of_modelscope if self.location.scheme == "modelscope" else of_repository
            await self._fetch(self.location, self.out_dir, of_scheme(self.patterns))
        else:
            selective = replace(self, patterns=await self._object_patterns())
            try:
                await selective.download_objects()
            except ModelMissingError:
                location = decoded(self.location)
                if location == self.location:
                    raise
                await replace(selective, location=location).download_objects()

    async def _object_patterns(self) -> Patterns:
        """The patterns of files. On HDFS, those of a call are for what is at the top of the directory."""
        patterns = of_objects(self.patterns)
        if self.location.scheme not in _HDFS or patterns.match_all:
            return patterns
        directory = self._directory
        try:
            async with aclosing(self.storage.list(uri_of(directory), config=self.config, delimiter="/")) as entries:
                names = [relative(entry.key.rstrip("/"), directory.key) async for entry in entries]
        except ModelMissingError:  # it may be a file, to which patterns do not apply
            return patterns
        return of_entries(patterns, names)

    async def _download_url(self) -> None:
        url = urlparse(str(self.location))
        name = url.path.rpartition("/")[2]
        if url_names_archive(url.path, self.location.query):
            await self._unpack(self.location)
        elif name in {"", ".", ".."}:
            raise InvalidURI(f"No filename contained in URI: {self.location}")
        else:
            if "." not in name:
                await self._refuse_page()
            await self._fetch(self.location, os.path.join(self.out_dir, name))

    async def _refuse_page(self) -> None:
        """Refuse a web page, such as that of a login; for files with an extension, the backend does it."""
        try:
            found = await self.storage.stat(uri_of(self.location), config=self.config)
        except ModelMissingError as error:
            raise self._missing(error.cause) from None
        if (found.content_type or "").startswith("text/html"):
            raise ServiceError(
                "the server sent a web page instead of the file",
                hint="open the URL in a browser: it may need a login",
                uri=str(self.location),
            )

    async def download_objects(self) -> None:
        """Download an object, or what is below its name.

        On S3, the object of exactly this name wins; on Google Cloud Storage, what is below; on Azure, both are
        downloaded. An empty object beside a directory is its marker.

        Raises:
            StorageError: As `download`.
        """
        google, azure = self.location.scheme == "gs", self.location.scheme == "azure"
        below = await self._find_below() if google or azure or not self._may_be_object else None
        obj = None if google and below is not None and below.exists else await self._find_object()
        if obj is not None and not obj.size:
            below = below or await self._find_below()
            obj = None if below.exists else obj
        alike = 0
        if self.strict and self._may_be_object and (azure or (obj is None and self.location.scheme == "s3")):
            alike = await download_alike(
                self.storage, self.location, self.out_dir, self.patterns, self.config, self.on_event
            )
        if obj is None:
            await self._download_below(below or await self._find_below(), others=bool(alike))
        elif not azure:
            await self._download_object(others=False)
        else:  # the patterns apply to it, too
            selected = bool(below and below.selected)
            if below is not None and below.selected:
                await self._fetch(self._directory, self.out_dir, self.patterns)
            if self.patterns.matches(self.location.name):
                await self._download_object(others=selected or bool(alike))
            elif not selected and not alike:
                raise self._missing(_EXCLUDED)

    async def _download_object(self, *, others: bool) -> None:
        if is_archive(self.location.name) and not others:
            await self._unpack(self.location)
        else:
            await self._fetch(self.location, f"{self.out_dir}/")

    async def _download_below(self, below: _Below, *, others: bool) -> None:
        match below.selected:
            case []:
                if not others:
                    raise self._missing(_EXCLUDED if below.exists else _NOTHING)
            case [key] if is_archive(key) and not others and not self._is_deep(key):
                await self._unpack(self.location.at(key))
            case [key] if self.trust is not None and not others:  # the digest is that of a file
                await self._fetch(self.location.at(key), os.path.join(self.out_dir, relative(key, self._directory.key)))
            case _:
                await self._fetch(self._directory, self.out_dir, self.patterns)

    def _is_deep(self, key: str) -> bool:
        """Whether a file is in a directory that kserve-storage downloads as it is."""
        return self.location.scheme in _HDFS and "/" in relative(key, self._directory.key)

    @property
    def _may_be_object(self) -> bool:
        return bool(self.location.key) and not self.location.key.endswith("/")

    @property
    def _directory(self) -> Location:
        return self.location.at(f"{self.location.key}/") if self._may_be_object else self.location

    async def _find_object(self) -> ObjectInfo | None:
        """The object of exactly this name."""
        if not self._may_be_object:
            return None
        try:
            return await self.storage.stat(uri_of(self.location), config=self.config)
        except ModelMissingError:
            return None

    async def _find_below(self) -> _Below:
        exists, selected = False, list[str]()
        directory = self._directory
        try:
            async with aclosing(self.storage.list(uri_of(directory), config=self.config)) as objects:
                async for obj in objects:
                    if is_directory_marker(obj.key, obj.size):
                        continue
                    exists = True
                    if self.patterns.matches(collapse(obj.key, directory.key)):
                        selected.append(obj.key)
                    if len(selected) > 1:
                        break
        except ModelMissingError as error:
            if error.status is not None and not self._may_be_object:  # the bucket does not exist
                raise self._missing(error.cause) from None
        return _Below(exists, selected)

    async def _fetch(self, location: Location, dest: str, patterns: Patterns | None = None) -> None:
        patterns = patterns or Patterns.of(None, None)
        try:
            await self.storage.download(
                uri_of(location),
                dest,
                config=self.config,
                allow_patterns=patterns.allow,
                ignore_patterns=patterns.ignore,
                on_event=self.on_event,
                trust=self.trust,
            )
        except ModelMissingError as error:
            raise self._missing(error.cause) from None

    async def _unpack(self, location: Location) -> None:
        try:
            await self.storage.download(
                uri_of(location),
                self.out_dir,
                config=self.config,
                unpack=True,
                on_event=self.on_event,
                trust=self.trust,
            )
        except ModelMissingError as error:
            raise self._missing(error.cause) from None

    def _missing(self, cause: str) -> ModelMissingError:
        text = f"Failed to fetch model. No model found in {self.location}: {cause}"
        return ModelMissingError(str(self.location), cause=text)
