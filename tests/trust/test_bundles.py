"""Bundles made by the package model-signing verify, with every serialization and hash; see `make_bundles.py`."""

import base64
import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sealift import Storage, Trust
from sealift.errors import InvalidConfig, SignatureError
from sealift.trust.bundle import Bundle
from sealift.trust.signature import verify_certificate

BUNDLES = Path(__file__).parent / "bundles"
MODELS = ["files-sha256", "files-blake2", "files-blake3", "shards-sha256", "shards-blake2"]
FILES = {"files": 4, "shards": 3}  # an empty file has no shard


@pytest.fixture(params=[*MODELS, "certificate"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Trust, int]:
    """A signed model, what it is verified with, and how many files are signed."""
    name = request.param
    shutil.copytree(BUNDLES / name, tmp_path / "model")
    signature = tmp_path / "model" / "model.sig"
    if name == "certificate":
        return tmp_path / "model", Trust(signature, certificate_chain=BUNDLES / "certificate.pem"), 4
    return tmp_path / "model", Trust(signature, key=BUNDLES / f"{name}.pub"), FILES[name.partition("-")[0]]


def names(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_a_model_as_it_was_signed(model: tuple[Path, Trust, int], tmp_path: Path) -> None:
    directory, trust, files = model
    assert Storage.verify_signature(directory, trust) == files
    Storage.download(str(directory), tmp_path / "new", trust=trust)
    assert names(tmp_path / "new") == {"config.json", "weights/0.bin", "weights/1:2.bin", "empty"}
    assert Storage.download(str(directory), trust=trust) == str(directory)


def test_one_byte_differs(model: tuple[Path, Trust, int], tmp_path: Path) -> None:
    directory, trust, _ = model
    data = bytearray((directory / "weights" / "0.bin").read_bytes())
    data[2100] ^= 1
    (directory / "weights" / "0.bin").write_bytes(data)
    for call in (
        lambda: Storage.verify_signature(directory, trust),
        lambda: Storage.download(str(directory), tmp_path / "new", trust=trust),
        lambda: Storage.download(str(directory), trust=trust),
    ):
        with pytest.raises(SignatureError, match=r"weights/0.bin' are not those that were signed"):
            call()
    assert not (tmp_path / "new").exists()


def test_another_key(tmp_path: Path) -> None:
    trust = Trust(BUNDLES / "files-sha256" / "model.sig", key=BUNDLES / "shards-sha256.pub")
    with pytest.raises(SignatureError, match="signed with another key"):
        Storage.download(str(BUNDLES / "files-sha256"), tmp_path / "new", trust=trust)
    assert not (tmp_path / "new").exists()


def test_another_authority(tmp_path: Path) -> None:
    import trustme

    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    trust = Trust(BUNDLES / "certificate" / "model.sig", certificate_chain=other)
    with pytest.raises(SignatureError, match="the signer's certificate is not trusted"):
        Storage.verify_signature(BUNDLES / "certificate", trust)


def test_a_certificate_that_has_expired() -> None:
    bundle = Bundle.read((BUNDLES / "certificate" / "model.sig").read_bytes())
    roots = (BUNDLES / "certificate.pem").read_bytes()
    assert verify_certificate(bundle, roots) == bundle.payload
    with pytest.raises(SignatureError, match="not trusted"):
        verify_certificate(bundle, roots, datetime(2200, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("damage", [(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x42"), (b"\x30", b"\x31")])
def test_a_certificate_that_cannot_be_read(damage: tuple[bytes, bytes]) -> None:
    document = json.loads((BUNDLES / "certificate" / "model.sig").read_bytes())
    first = document["verificationMaterial"]["x509CertificateChain"]["certificates"][0]
    first["rawBytes"] = base64.b64encode(base64.b64decode(first["rawBytes"]).replace(*damage, 1)).decode()
    with pytest.raises(SignatureError, match="cannot be read"):
        verify_certificate(Bundle.read(json.dumps(document).encode()), (BUNDLES / "certificate.pem").read_bytes())


@pytest.mark.parametrize(
    ("method", "other"),
    [
        ("certificate", {"key": BUNDLES / "files-sha256.pub"}),
        ("files-sha256", {"certificate_chain": BUNDLES / "certificate.pem"}),
    ],
)
def test_evidence_of_another_method(method: str, other: dict[str, Path]) -> None:
    with pytest.raises(SignatureError, match="the signature has no valid"):
        Storage.verify_signature(BUNDLES / method, Trust(BUNDLES / method / "model.sig", **other))


@pytest.mark.parametrize("key", [b"-----BEGIN PUBLIC KEY-----\nno\n-----END PUBLIC KEY-----\n", b""])
def test_a_damaged_key(key: bytes) -> None:
    with pytest.raises(InvalidConfig, match="the public key cannot be read"):
        Storage.verify_signature(BUNDLES / "files-sha256", Trust(BUNDLES / "files-sha256" / "model.sig", key=key))


def test_a_keyless_signature_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sigstore", None)
    trust = Trust(BUNDLES / "files-sha256" / "model.sig", identity="me@example.com", issuer="https://example.com")
    with pytest.raises(InvalidConfig, match=r"pip install 'sealift\[sigstore\]'"):
        Storage.verify_signature(BUNDLES / "files-sha256", trust)
