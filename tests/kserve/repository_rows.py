"""Situations with repositories: hubs, images and Git; see `rows.py`."""

from tests.kserve.archives import TAR
from tests.kserve.repositories import IMAGE, REPOSITORY
from tests.kserve.row import Row
from tests.services.hub import GRANTED
from tests.services.modelscope import TOKEN as MODELSCOPE_TOKEN

__all__ = ["GIT_ROWS", "HUB_ROWS", "IMAGE_ROWS", "MODELSCOPE_ROWS"]

_CLONED = {"config.json": b"{}", "sub/model.bin": b"weights"}
_NOTHING = "succeeds, with an empty directory"
_CACHE = "leaves .cache/huggingface in the directory"
HUB_ROWS = [
    Row("a repository", "hf://owner/model", REPOSITORY, better=_CACHE),
    Row("a revision", "hf://owner/model:v1", {"old.bin": b"old"}, better=_CACHE),
    Row(
        "a directory as a pattern",
        "hf://owner/model",
        {path: data for path, data in REPOSITORY.items() if path.startswith("onnx/")},
        allow=["onnx/"],
        better=_CACHE,
    ),
    Row(
        "an archive in a repository stays packed",
        "hf://owner/archived",
        {"model.tar.gz": TAR},
        better=_CACHE,
    ),
    Row(
        "a directory of a repository",
        "hf://owner/model/onnx",
        {"model.onnx": b"onnx", "sub/extra.bin": b"extra"},
        better="fails: only hf://owner/model[:revision] is allowed",
    ),
    Row("a repository that is missing", "hf://owner/gone", error="hf://owner/gone"),
    Row("a revision that is missing", "hf://owner/model:gone", error="gone"),
    Row("a gated repository", "hf://owner/gated", error="hf://owner/gated"),
    Row("a repository without a name", "hf://owner/", error="hf://owner"),
    Row("an empty revision", "hf://owner/model:", REPOSITORY, better=_CACHE),
    Row("a slash after the repository", "hf://owner/model/", REPOSITORY, better="fails"),
    Row("a repository without an owner", "hf:///model", error="hf://"),
    Row("a revision without a repository", "hf://owner/:v1", error="hf://owner"),
    Row("everything excluded in a repository", "hf://owner/model", error="No model found in", allow=["*.onnxx"],
        better=_NOTHING),
    Row("ignored in a repository", "hf://owner/model",
        {path: REPOSITORY[path] for path in ("config.json", "model.safetensors", "README.md")}, ignore=["onnx/"],
        better=_CACHE),
    Row("patterns of the environment in a repository", "hf://owner/model", {"config.json": b"{}"},
        environ={"STORAGE_ALLOW_PATTERNS": "*.json"}, better=_CACHE),
    Row("a token for a gated repository", "hf://owner/gated", {"model.bin": b"secret"}, environ={"HF_TOKEN": GRANTED},
        better=_CACHE),
    Row("a token that is not valid", "hf://owner/model", error="hf://owner/model", environ={"HF_TOKEN": "hf_Wrong"}),
    Row("a hub that must not be asked", "hf://owner/model", error="ffline", environ={"HF_HUB_OFFLINE": "1"}),
    Row("a repository without a directory", "hf://owner/model:v1", {"old.bin": b"old"}, out_dir=False, better=_CACHE),
    Row("files that exist, for a repository", "hf://owner/model:v1", {"old.bin": b"old", "other": b"other"},
        before={"old.bin": b"older", "other": b"other"}, better=_CACHE),
]  # fmt: skip
MODELSCOPE_ROWS = [
    Row("ModelScope: a repository", "modelscope://owner/model", REPOSITORY),
    Row("ModelScope: a revision", "modelscope://owner/model:v1", {"old.bin": b"old"}),
    Row("ModelScope: an empty revision", "modelscope://owner/model:", REPOSITORY),
    Row("ModelScope: allowed", "modelscope://owner/model", {"config.json": b"{}"}, allow=["*.json"]),
    Row("ModelScope: everything excluded", "modelscope://owner/model", error="No model found in", allow=["*.onnxx"],
        better=_NOTHING),
    Row("ModelScope: a directory as a pattern", "modelscope://owner/model", error="No model found in", allow=["onnx/"],
        better=_NOTHING),
    Row("ModelScope: an ignored pattern that ends in a slash", "modelscope://owner/model", REPOSITORY,
        ignore=["onnx/"]),
    Row("ModelScope: several patterns in one text", "modelscope://owner/model",
        {"config.json": b"{}", "README.md": b"about it"}, allow=["*.json, READ*"]),
    Row("ModelScope: a pattern like a regular expression", "modelscope://owner/model", {"README.md": b"about it"},
        allow=["READ.*"]),
    Row("ModelScope: a directory without a slash", "modelscope://owner/model", error="No model found in",
        allow=["onnx"], better=_NOTHING),
    Row("ModelScope: ignored", "modelscope://owner/model",
        {path: REPOSITORY[path] for path in ("config.json", "model.safetensors", "README.md")}, ignore=["onnx/*"]),
    Row("ModelScope: a directory of a repository", "modelscope://owner/model/onnx",
        {"model.onnx": b"onnx", "sub/extra.bin": b"extra"}, better="fails"),
    Row("ModelScope: a revision that is missing", "modelscope://owner/model:gone", error="gone", better=_NOTHING),
    Row("ModelScope: a repository that is missing", "modelscope://owner/gone", error="owner/gone"),
    Row("ModelScope: without a name", "modelscope://owner/", error="modelscope://owner"),
    Row("ModelScope: only an owner", "modelscope://owner", error="modelscope://owner"),
    Row("ModelScope: a private repository", "modelscope://owner/private", {"model.bin": b"secret"},
        environ={"MODELSCOPE_API_TOKEN": MODELSCOPE_TOKEN}),
    Row("ModelScope: a private repository without a token", "modelscope://owner/private", error="owner/private"),
]  # fmt: skip
_LOGIN = {"KSERVE_OCI_DOCKER_CONFIG": "{docker_config}"}
IMAGE_ROWS = [
    Row("an image", "{registry}/team/model:latest", IMAGE),
    Row("an image without a tag", "{registry}/team/model", IMAGE),
    Row("an image for several platforms", "{registry}/team/model:platforms", IMAGE),
    Row("an image for other platforms", "{registry}/team/model:windows", error="linux"),
    Row("an image without models", "{registry}/team/model:empty", error="models"),
    Row("an image that is missing", "{registry}/team/gone:latest", error="team/gone"),
    Row("a tag that is missing", "{registry}/team/model:gone", error="gone"),
    Row("no image", "oci://", error="oci://"),
    Row("a file that an image deletes", "{registry}/team/model:deleted",
        {path: data for path, data in IMAGE.items() if path != "onnx/model.onnx"}, better="keeps it, with its mark"),
    Row("patterns and an image", "{registry}/team/model", {"config.json": b"{}"}, allow=["*.json"],
        better="ignores the patterns"),
    Row("an image without a directory", "{registry}/team/model", IMAGE, out_dir=False),
    Row("files that exist, for an image", "{registry}/team/model", {**IMAGE, "other": b"other"},
        before={"config.json": b"older", "other": b"other"}),
    Row("a private image", "{private_registry}/team/model:latest", IMAGE, environ=_LOGIN),
    Row("a private image without a login", "{private_registry}/team/model:latest", error="team/model"),
    Row("a login file that is missing", "{registry}/team/model", IMAGE,
        environ={"KSERVE_OCI_DOCKER_CONFIG": "/no/such/config.json"}),
]  # fmt: skip
_GIT = "leaves .git in the directory"
_TRUSTED = {"SSL_CERT_FILE": "{ca}"}
GIT_ROWS = [
    Row("a Git repository", "{git}/owner/model.git", _CLONED, environ=_TRUSTED, better=_GIT),
    Row("patterns and a Git repository", "{git}/owner/model.git", {"config.json": b"{}"}, environ=_TRUSTED,
        allow=["*.json"], better="ignores the patterns"),
    Row("a Git repository that is missing", "{git}/owner/gone.git", error="owner/gone.git", environ=_TRUSTED),
    Row("a Git repository without a directory", "{git}/owner/model.git", _CLONED, environ=_TRUSTED, out_dir=False,
        better=_GIT),
    Row("a user in the URL of a Git repository", "{git_with_user}/owner/model.git", _CLONED, environ=_TRUSTED,
        better=_GIT),
    Row("a file server with .git in a path", "{web}/repo.git-mirror/model.bin", {"model.bin": b"not a repository"}),
]  # fmt: skip
