"""What an attacker may do to a signed model, or to its bundle, is refused before anything gets its name."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sealift import Storage, Trust
from sealift.errors import SignatureError

from .signer import PUBLIC_KEY, bundle, resource, statement

FILES = {"config.json": b"{}", "weights/0.bin": b"0" * 3000, "weights/1.bin": b"1" * 3000}
RESOURCES = [resource(name, data) for name, data in FILES.items()]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "model"


def sign(model: Path, text: dict[str, Any] | bytes) -> Trust:
    signature = model / "model.sig"
    signature.write_bytes(text if isinstance(text, bytes) else json.dumps(text).encode())
    return Trust(signature, key=PUBLIC_KEY)


def refused(model: Path, trust: Trust, match: str) -> None:
    new = model.parent / "new"
    for call in (
        lambda: Storage.download(str(model), new, trust=trust),
        lambda: Storage.download(str(model), trust=trust),
        lambda: Storage.verify_signature(model, trust),
    ):
        with pytest.raises(SignatureError, match=match):
            call()
    assert not new.exists()


def test_the_model_is_accepted_otherwise(model: Path) -> None:
    trust = sign(model, bundle(statement(RESOURCES)))
    Storage.download(str(model), model.parent / "new", trust=trust)
    assert {str(p.relative_to(model.parent / "new")) for p in (model.parent / "new").rglob("*.*")} == set(FILES)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda model: (model / "weights/0.bin").rename(model / "weights/2.bin"), "not signed: 'weights/2.bin'"),
        (lambda model: (model / "weights/0.bin").unlink(), "missing: 'weights/0.bin'"),
        (lambda model: (model / "evil.py").write_bytes(b"!"), "not signed: 'evil.py'"),
        (lambda model: (model / "weights/model.sig").write_bytes(b"!"), "not signed: 'weights/model.sig'"),
        (lambda model: (model / "weights/.git").write_bytes(b"!"), "not signed: 'weights/.git'"),
        (lambda model: (model / ".gitx").write_bytes(b"!"), "not signed: '.gitx'"),
        (lambda model: (model / "CONFIG.JSON").write_bytes(b"{}"), "not signed: 'CONFIG.JSON'"),
        (lambda model: (model / "empty").touch(), "not signed: 'empty'"),
        (lambda model: (model / "weights/0.bin").write_bytes(b"0" * 2999), "not those that were signed"),
        (lambda model: (model / "weights/0.bin").write_bytes(FILES["weights/1.bin"]), "not those that were signed"),
        (lambda model: (model / "weights/0.bin").write_bytes(b""), "not those that were signed"),
    ],
)
def test_files(model: Path, change: Callable[[Path], object], match: str) -> None:
    trust = sign(model, bundle(statement(RESOURCES)))
    change(model)
    refused(model, trust, match)


@pytest.mark.parametrize("target", ["weights/1.bin", "/etc/passwd", "weights"])
def test_symbolic_links(model: Path, target: str) -> None:
    trust = sign(model, bundle(statement(RESOURCES)))
    (model / "weights/0.bin").unlink()
    (model / "weights/0.bin").symlink_to(model / target)
    refused(model, trust, "not those that were signed|symbolic link|not signed|missing|loop|leads")


def test_a_directory_of_temporary_files_elsewhere(model: Path) -> None:
    trust = sign(model, bundle(statement(RESOURCES)))
    (model / ".sealift").mkdir()
    (model / ".sealift" / "unfinished.part").touch()
    assert Storage.verify_signature(model, trust) == 3
    (model / "weights" / ".sealift").mkdir()
    (model / "weights" / ".sealift" / "evil.py").touch()
    with pytest.raises(SignatureError, match=r"not signed: 'weights/\.sealift/evil\.py'"):
        Storage.verify_signature(model, trust)


def test_what_the_signer_left_out_is_not_downloaded(model: Path) -> None:
    trust = sign(model, bundle(statement(RESOURCES, ignore_paths=["logs", ".git"])))
    (model / "logs").mkdir()
    (model / "logs" / "evil.py").write_bytes(b"!")
    (model / ".git").mkdir()
    (model / ".git" / "hooks").write_bytes(b"!")
    assert Storage.verify_signature(model, trust) == 3
    Storage.download(str(model), model.parent / "new", trust=trust)
    assert not (model.parent / "new" / "logs").exists()
    assert not (model.parent / "new" / ".git").exists()


@pytest.mark.parametrize("patterns", [{"ignore_patterns": "weights/*"}, {"allow_patterns": "config.json"}])
def test_a_directory_that_patterns_exclude_is_not_missing(model: Path, patterns: dict[str, str]) -> None:
    trust = sign(model, bundle(statement(RESOURCES)))
    Storage.download(str(model), model.parent / "new", trust=trust, **patterns)
    assert [path.name for path in (model.parent / "new").iterdir()] == ["config.json"]


def changed(path: str, value: Any) -> dict[str, Any]:
    """A statement with one field replaced, or removed (`...`), and signed."""
    whole = statement([dict(each) for each in RESOURCES])
    *parents, last = path.split(".")
    inner: Any = whole
    for name in parents:
        inner = inner[int(name)] if isinstance(inner, list) else inner[name]
    if value is ...:
        del inner[last]
    else:
        inner[int(last) if isinstance(inner, list) else last] = value
    return bundle(whole)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("_type", "https://in-toto.io/Statement/v0.1"),
        ("_type", ...),
        ("predicateType", "https://slsa.dev/provenance/v1"),
        ("subject", []),
        ("subject", {}),
        ("subject.0.digest.sha256", "0" * 64),
        ("subject.0.digest", {}),
        ("predicate", []),
        ("predicate.resources", {}),
        ("predicate.resources", ["config.json"]),
        ("predicate.resources.0.name", 7),
        ("predicate.resources.0.name", ""),
        ("predicate.resources.0.digest", None),
        ("predicate.resources.0.digest", "AB" * 32),
        ("predicate.resources.0.digest", "ab"),
        ("predicate.resources.0.algorithm", "md5"),
        ("predicate.resources.0.algorithm", "blake2b"),
        ("predicate.serialization", ...),
        ("predicate.serialization.method", "everything"),
        ("predicate.serialization.method", "shards"),
        ("predicate.serialization.hash_type", "md5"),
        ("predicate.serialization.hash_type", ["sha256"]),
        ("predicate.serialization.allow_symlinks", "false"),
        ("predicate.serialization.allow_symlinks", ...),
        ("predicate.serialization.ignore_paths", "weights"),
        ("predicate.serialization.ignore_paths", [7]),
        ("predicate.serialization.ignore_paths", ["../x"]),
    ],
)
def test_statements(model: Path, path: str, value: Any) -> None:
    refused(model, sign(model, changed(path, value)), "sign")


def test_a_model_of_one_file(model: Path) -> None:
    """Before version 1.1, model-signing wrote "." for its name."""
    for name in ("config.json", "."):
        trust = sign(model, bundle(statement([resource(name, b"{}")])))
        assert Storage.verify_signature(model / "config.json", trust) == 1
        refused(model, trust, "not signed|missing")
        with pytest.raises(SignatureError, match="not those that were signed|not among"):
            Storage.verify_signature(model / "weights/0.bin", trust)


@pytest.mark.parametrize(
    "names",
    [
        [],
        [".", "config.json"],
        ["config.json", "config.json"],
        ["/etc/passwd"],
        ["../evil"],
        ["weights/../config.json"],
        ["./config.json"],
        ["weights//0.bin"],
        ["weights/"],
        ["a\0b"],
    ],
)
def test_names(model: Path, names: list[str]) -> None:
    refused(model, sign(model, bundle(statement([resource(name, b"{}") for name in names]))), "sign")


def shards(*ranges: tuple[int, int], size: object = 1000) -> dict[str, Any]:
    data = b"0" * 3000
    listed = [resource(f"weights/0.bin:{start}:{end}", data[start:end]) for start, end in ranges]
    return bundle(statement(listed, method="shards", shard_size=size))


def test_shards_in_order_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "model" / "weights").mkdir(parents=True)
    (tmp_path / "model" / "weights" / "0.bin").write_bytes(b"0" * 2500)
    for size, ranges in (
        (1000, [(0, 1000), (1000, 2000), (2000, 2500)]),
        (1000.0, [(2000, 2500), (0, 1000), (1000, 2000)]),
    ):
        trust = sign(tmp_path / "model", shards(*ranges, size=size))
        assert Storage.verify_signature(tmp_path / "model", trust) == 1


@pytest.mark.parametrize(
    "text",
    [
        shards((0, 1000), (2000, 3000)),
        shards((0, 1000), (1000, 2000), (1000, 2000), (2000, 3000)),
        shards((0, 3000)),
        shards((0, 1500), (1500, 3000)),
        shards((1000, 2000), (2000, 3000)),
        shards((0, 1000), (1000, 2000)),  # the end of the file was not signed
        shards((0, 1000), (1000, 2000), (2000, 3000), size=0),
        shards((0, 1000), (1000, 2000), (2000, 3000), size=-1000),
        shards((0, 1000), (1000, 2000), (2000, 3000), size=True),
        shards((0, 1000), (1000, 2000), (2000, 3000), size=999.5),
        shards((0, 1000), (1000, 2000), (2000, 3000), size=float("inf")),
        bundle(statement([resource("config.json", b"{}")], method="shards", shard_size=1000)),
        bundle(statement([resource("config.json:0:2", b"{}")], method="files")),
        bundle(statement([resource(f"x:0:{10**18}", b"")], method="shards", shard_size=1)),
    ],
)
def test_shards(tmp_path: Path, text: dict[str, Any]) -> None:
    (tmp_path / "model" / "weights").mkdir(parents=True)
    (tmp_path / "model" / "weights" / "0.bin").write_bytes(b"0" * 3000)
    refused(tmp_path / "model", sign(tmp_path / "model", text), "sign|shard")


def without(*path: str) -> dict[str, Any]:
    whole = bundle(statement(RESOURCES))
    inner: Any = whole
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return whole


def replaced(value: Any, *path: str) -> dict[str, Any]:
    whole = bundle(statement(RESOURCES))
    inner: Any = whole
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return whole


GOOD = bundle(statement(RESOURCES))
TEXT = json.dumps(GOOD).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        TEXT[: len(TEXT) // 2],
        TEXT[:-1] + b', "dsseEnvelope": {}}',
        without("mediaType"),
        without("verificationMaterial"),
        without("verificationMaterial", "publicKey"),
        without("dsseEnvelope"),
        without("dsseEnvelope", "payload"),
        without("dsseEnvelope", "payloadType"),
        without("dsseEnvelope", "signatures"),
        replaced("application/json", "mediaType"),
        replaced("text/plain", "dsseEnvelope", "payloadType"),
        replaced([], "dsseEnvelope", "signatures"),
        replaced([*GOOD["dsseEnvelope"]["signatures"]] * 2, "dsseEnvelope", "signatures"),
        replaced(["x"], "dsseEnvelope", "signatures"),
        replaced([{"sig": "?"}], "dsseEnvelope", "signatures"),
        replaced([{"sig": ""}], "dsseEnvelope", "signatures"),
        replaced([{"sig": base64.b64encode(b"x" * 70).decode()}], "dsseEnvelope", "signatures"),
        replaced("", "dsseEnvelope", "payload"),
        replaced("é", "dsseEnvelope", "payload"),
        replaced(base64.b64encode(json.dumps(statement(RESOURCES[:1])).encode()).decode(), "dsseEnvelope", "payload"),
        replaced({"hint": "0" * 64}, "verificationMaterial", "publicKey"),
        replaced({"hint": 7}, "verificationMaterial", "publicKey"),
        bundle(b""),
        bundle(b"[]"),
        bundle(b'{"_type": "a", "_type": "b"}'),
    ],
)
def test_bundles(model: Path, text: dict[str, Any] | bytes) -> None:
    refused(model, sign(model, text), "sign|bundle|another key")
