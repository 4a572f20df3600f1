"""Keyless signatures, verified offline with a private instance of Sigstore."""

import json
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sealift import Storage, Trust
from sealift.errors import InvalidConfig, SignatureError
from tests.trust.private_sigstore import IDENTITY, ISSUER, NOW, Log, PrivateSigstore
from tests.trust.signer import resource, statement

FILES = {"config.json": b'{"layers": 2}', "weights/0.bin": bytes(range(256))}
PAYLOAD = json.dumps(statement([resource(name, data) for name, data in FILES.items()])).encode()
INSTANCE = PrivateSigstore()


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A signed model. No address can be connected to."""
    for name, data in FILES.items():
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_bytes(data)
    write(tmp_path / "model", INSTANCE.sign(PAYLOAD))

    def refuse(*_: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tmp_path / "model"


def write(model: Path, bundle: dict[str, Any]) -> None:
    (model / "model.sig").write_text(json.dumps(bundle))


def trust(model: Path, **others: Any) -> Trust:
    return Trust(
        model / "model.sig",
        **{"identity": IDENTITY, "issuer": ISSUER, "trust_root": INSTANCE.trusted_root, **others},
    )


def refused(model: Path, reason: str, **others: Any) -> None:
    """Nothing is downloaded, because of this."""
    with pytest.raises(SignatureError, match=reason):
        Storage.verify_signature(model, trust(model, **others))
    with pytest.raises(SignatureError, match=reason):
        Storage.download(str(model), model.parent / "new", trust=trust(model, **others))
    assert not (model.parent / "new").exists()


def test_a_model_as_it_was_signed(model: Path, tmp_path: Path) -> None:
    (tmp_path / "root.json").write_bytes(INSTANCE.trusted_root)
    assert Storage.verify_signature(model, trust(model)) == len(FILES)
    Storage.download(str(model), tmp_path / "new", trust=trust(model, trust_root=tmp_path / "root.json"))
    assert {name: (tmp_path / "new" / name).read_bytes() for name in FILES} == FILES


def test_a_file_that_differs(model: Path) -> None:
    (model / "config.json").write_bytes(b'{"layers": 3}')
    refused(model, r"config.json' are not those that were signed")


def test_another_signer(model: Path) -> None:
    refused(model, "does not confirm the signature", identity="other@models.example")
    refused(model, "does not confirm the signature", issuer="https://accounts.other.example")
    write(model, INSTANCE.sign(PAYLOAD, identity="other@models.example"))
    refused(model, "does not confirm the signature")
    write(model, INSTANCE.sign(PAYLOAD, issuer="https://accounts.other.example"))
    refused(model, "does not confirm the signature")


def test_another_instance(model: Path) -> None:
    refused(model, "certificate chain", trust_root=PrivateSigstore().trusted_root)
    write(model, PrivateSigstore().sign(PAYLOAD))
    refused(model, "certificate chain")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"certificate_log": Log()}, "SCT"),
        ({"signature_log": Log()}, "checkpoint"),
        ({"promise_log": Log()}, "SET"),
        ({"at": NOW + timedelta(hours=1)}, "certificate chain"),
        ({"at": NOW - timedelta(hours=1)}, "certificate chain"),
    ],
    ids=["log of certificates", "log of signatures", "time of the log", "after the certificate", "before it"],
)
def test_another_log_or_time(model: Path, options: dict[str, Any], reason: str) -> None:
    write(model, INSTANCE.sign(PAYLOAD, **options))
    refused(model, f"does not confirm the signature: .*{reason}")


def without(name: str) -> Callable[[dict[str, Any]], None]:
    def change(entry: dict[str, Any]) -> None:
        del entry[name]

    return change


def of_another_model(entry: dict[str, Any]) -> None:
    other = INSTANCE.sign(b"{}")["verificationMaterial"]["tlogEntries"][0]
    entry.update(other)


def elsewhere(entry: dict[str, Any]) -> None:
    entry["inclusionProof"]["hashes"] = [entry["inclusionProof"]["rootHash"]]


def later(entry: dict[str, Any]) -> None:
    entry["integratedTime"] = str(int(entry["integratedTime"]) + 1)


def without_checkpoint(entry: dict[str, Any]) -> None:
    del entry["inclusionProof"]["checkpoint"]


@pytest.mark.parametrize(
    "change",
    [without("inclusionProof"), without("inclusionPromise"), without_checkpoint, of_another_model, elsewhere, later],
    ids=["no proof", "no time", "no checkpoint", "the entry of another model", "a wrong proof", "another time"],
)
def test_a_damaged_entry_of_the_log(model: Path, change: Callable[[dict[str, Any]], None]) -> None:
    bundle = INSTANCE.sign(PAYLOAD)
    change(bundle["verificationMaterial"]["tlogEntries"][0])
    write(model, bundle)
    refused(model, "does not confirm the signature")


def test_no_entry_in_a_log(model: Path) -> None:
    bundle = INSTANCE.sign(PAYLOAD)
    bundle["verificationMaterial"]["tlogEntries"] = []
    write(model, bundle)
    refused(model, "not in a transparency log")


def test_another_statement(model: Path) -> None:
    bundle, other = INSTANCE.sign(PAYLOAD), INSTANCE.sign(PAYLOAD.replace(b"0.bin", b"1.bin"))
    bundle["dsseEnvelope"]["payload"] = other["dsseEnvelope"]["payload"]
    write(model, bundle)
    refused(model, "does not confirm the signature")


@pytest.mark.parametrize("root", [b"{}", b"no JSON", b'{"mediaType": "application/json"}'])
def test_a_trusted_root_that_is_none(model: Path, root: bytes) -> None:
    with pytest.raises(InvalidConfig, match="trusted root cannot be used"):
        Storage.verify_signature(model, trust(model, trust_root=root))
