"""Parse manifests and indexes: https://github.com/opencontainers/image-spec/blob/main/manifest.md. No I/O."""

import json
import platform as this_machine
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ...errors import ServiceError, UnsupportedOperation
from ...frozen_dataclass import dataclass

__all__ = ["ACCEPTED", "Blob", "Layer", "Manifest", "choose_manifest", "is_index", "parse_json", "parse_manifest"]

_INDEXES = {
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
}
_MANIFESTS = {
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
}
ACCEPTED = ", ".join(sorted(_MANIFESTS | _INDEXES))
"""Value of the Accept header of a request for a manifest."""

# https://github.com/modelpack/model-spec/blob/main/docs/spec.md and annotations.md; older artifacts have "cnai".
_MODEL_LAYER = re.compile(r"application/vnd\.(?:cncf|cnai)\.model\..+")
_PATHS = (
    "org.cncf.model.filepath",
    "org.cnai.model.filepath",
    "org.opencontainers.image.title",  # https://oras.land/docs/how_to_guides/pushing_and_pulling
)
_METADATA = ("org.cncf.model.file.metadata+json", "org.cnai.model.file.metadata+json")
_CREATED = "org.opencontainers.image.created"
_UNPACK = "io.deis.oras.content.unpack"
# The Python client of oras marks directories by this type alone; a file that is itself an archive may have it, too.
_DIRECTORY, _ARCHIVE_NAME = "application/vnd.oci.image.layer.v1.tar+gzip", re.compile(r".*\.(?:tar|tar\.gz|tgz)")
# https://github.com/opencontainers/image-spec/blob/main/media-types.md
_IMAGE_LAYER = re.compile(
    r"application/vnd\.(?:oci\.image\.layer\.(?:nondistributable\.)?v1\.tar(?:\+gzip|\+zstd)?"
    r"|docker\.image\.rootfs\.(?:foreign\.)?diff\.tar(?:\.gzip|\.zstd)?)"
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# https://go.dev/wiki/PortingPlatforms: what `platform.machine()` calls them otherwise.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "i386": "386"}


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob of a repository.

    Attributes:
        digest: "sha256:" and the lower-case hex digest.
        size: Size in bytes.
    """

    digest: str
    size: int

    @property
    def sha256(self) -> str:
        """The digest without its prefix."""
        return self.digest.removeprefix("sha256:")


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of an image or artifact.

    Attributes:
        blob: Its content.
        kind: "file": a file; "archive": a tar archive of files of the artifact; "image": a tar archive that changes the
            file system of an image, with whiteouts.
        path: Path of a file in the artifact; "" for the other kinds.
        modified: Time of the last modification of a file, if the manifest has it.
    """

    blob: Blob
    kind: str
    path: str = ""
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of an image for one platform, or of an artifact.

    Attributes:
        digest: Its digest, which identifies the content.
        layers: Its layers, lowest first, without those that contain no files.
        is_artifact: Whether they are those of an artifact, not the file system of an image.
    """

    digest: str
    layers: tuple[Layer, ...]
    is_artifact: bool


def parse_json(body: bytes) -> dict[str, Any]:
    """Parse a manifest or an index.

    Raises:
        ServiceError: It is not a JSON object.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ServiceError("the registry sent a manifest that is not a JSON object")
    return document


def is_index(document: Mapping[str, Any], content_type: str) -> bool:
    """Whether a document is an index of manifests for several platforms.

    Raises:
        UnsupportedOperation: It is neither an index nor a manifest.
    """
    media_type = document.get("mediaType") or content_type.partition(";")[0].strip().lower()
    if media_type in _INDEXES or ("manifests" in document and media_type not in _MANIFESTS):
        return True
    if not isinstance(document.get("layers"), list):
        hint = "push it with a current tool; images of schema version 1 are not supported"
        raise UnsupportedOperation(f"the registry sent a manifest of the type {str(media_type)!r}", hint=hint)
    return False


def choose_manifest(index: Mapping[str, Any], wanted: str | None) -> Blob:
    """Choose the manifest for a platform.

    Args:
        index: The index.
        wanted: The platform, as in `OCIConfig`. None: Linux on this machine's architecture.

    Raises:
        UnsupportedOperation: The index has none for this platform.
        ServiceError: The index is not valid.
    """
    entries = index.get("manifests")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ServiceError("the registry sent an index without a list of manifests")
    by_platform = [(_platform_of(entry), entry) for entry in entries]
    # Attestations of builders have the platform unknown/unknown.
    usable = [(name, entry) for name, entry in by_platform if not name.startswith("unknown/")]
    if wanted is None:
        if len(usable) == 1 and not usable[0][0]:  # an artifact, for any platform
            return _blob(usable[0][1])
        machine = this_machine.machine().lower()
        wanted = f"linux/{_ARCHITECTURES.get(machine, machine)}"
    for name, entry in usable:
        if name == wanted or name.startswith(f"{wanted}/"):
            return _blob(entry)
    names = ", ".join(dict.fromkeys(name for name, _ in usable if name)) or "none"
    raise UnsupportedOperation(
        f"the image has no manifest for {wanted}, only for: {names}",
        hint="choose one with OCIConfig(platform=…) or DOCKER_DEFAULT_PLATFORM",
    )


def _platform_of(entry: Mapping[str, Any]) -> str:
    platform = entry.get("platform")
    if not isinstance(platform, dict):
        return ""
    parts = [platform.get(name) for name in ("os", "architecture", "variant")]
    return "/".join(part for part in parts if isinstance(part, str) and part)


def parse_manifest(document: Mapping[str, Any], digest: str) -> Manifest:
    """Parse a manifest.

    Args:
        document: The manifest.
        digest: Its digest.

    Raises:
        ServiceError: It is not valid.
        UnsupportedOperation: A layer has a digest other than SHA-256.
    """
    entries = document.get("layers")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ServiceError("the registry sent a manifest without a list of layers")
    created = _time(_annotations(document).get(_CREATED))
    layers = [layer for entry in entries if (layer := _layer(entry, created)) is not None]
    is_artifact = any(layer.kind != "image" for layer in layers)
    return Manifest(digest, tuple(layer for layer in layers if (layer.kind != "image") == is_artifact), is_artifact)


def _layer(entry: Mapping[str, Any], created: datetime | None) -> Layer | None:
    """A layer, or None if it contains no files, such as an attestation."""
    media_type, annotations = str(entry.get("mediaType") or ""), _annotations(entry)
    path = next((annotations[name] for name in _PATHS if annotations.get(name)), "")
    is_model = _MODEL_LAYER.fullmatch(media_type) is not None
    is_image = _IMAGE_LAYER.fullmatch(media_type) is not None
    is_tar = re.search(r"[.+]tar(?:[+.](?:gzip|zstd))?$", media_type) is not None
    is_directory = media_type == _DIRECTORY and path != "" and not _ARCHIVE_NAME.fullmatch(path)
    if (is_model and is_tar) or is_directory or annotations.get(_UNPACK, "").lower() == "true":
        return Layer(_blob(entry), "archive")
    if path:
        return Layer(_blob(entry), "file", path, _modified(annotations) or created)
    if is_model:
        raise ServiceError(
            f"a layer of the type {media_type} has no path", hint=f"push it with the annotation {_PATHS[0]}"
        )
    return Layer(_blob(entry), "image") if is_image else None


def _annotations(entry: Mapping[str, Any]) -> dict[str, str]:
    found = entry.get("annotations")
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def _modified(annotations: Mapping[str, str]) -> datetime | None:
    text = next((annotations[name] for name in _METADATA if name in annotations), "{}")
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError):  # it only describes the file
        return None
    return _time(metadata.get("mtime")) if isinstance(metadata, dict) else None


def _time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return time if time is not None and time.tzinfo is not None else None


def _blob(entry: Mapping[str, Any]) -> Blob:
    digest, size = entry.get("digest"), entry.get("size")
    if not isinstance(digest, str) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ServiceError("the registry sent a manifest with an entry that has no valid digest or size")
    if not _DIGEST.fullmatch(digest):
        algorithm = digest.partition(":")[0]
        raise UnsupportedOperation(f"a layer has a digest of the kind {algorithm!r}", hint="only sha256 is supported")
    return Blob(digest, size)
