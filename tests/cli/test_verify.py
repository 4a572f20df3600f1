"""`sealift verify`, and `sealift cp --signature`."""

import json
from pathlib import Path

from sealift.cli import exit_codes
from tests.trust.signer import PUBLIC_KEY, bundle, resource, statement

from .conftest import Invoke, below, files, tree


def test_a_signed_model(tmp_path: Path, invoke: Invoke) -> None:
    model = below("llama/")
    tree(tmp_path / "m", model)
    (tmp_path / "m" / "model.sig").write_text(
        json.dumps(bundle(statement([resource(name, data) for name, data in model.items()])))
    )
    (tmp_path / "a.pub").write_bytes(PUBLIC_KEY)
    options = "--signature", "m/model.sig", "--public-key", "a.pub"
    result = invoke("verify", *options, "m")
    assert (result.exit_code, result.stdout) == (0, "m: 4 files, as they were signed\n")
    assert json.loads(invoke("verify", "--json", *options, "m").stdout) == {"path": "m", "verified": True, "files": 4}
    assert invoke("cp", "-r", *options, "m", "new").exit_code == 0
    assert files(tmp_path / "new") == model
    (tmp_path / "m" / "evil").touch()
    for arguments in (("verify", *options, "m"), ("cp", "-r", *options, "m", "other")):
        result = invoke(*arguments)
        assert result.exit_code == exit_codes.FAILURE
        assert "were not signed: 'evil'" in result.stderr
    assert not (tmp_path / "other").exists()
    assert invoke("verify", "m").exit_code == exit_codes.USAGE


def test_a_signature_is_not_ignored(tmp_path: Path, invoke: Invoke) -> None:
    (tmp_path / "a.bin").write_bytes(b"unsigned")
    result = invoke("cp", "--signature", "a.sig", "--public-key", "a.pub", "a.bin", "-")
    assert (result.exit_code, result.stdout) == (exit_codes.USAGE, "")
    assert "--signature cannot be combined with '-'" in result.stderr
    for empty in (("--signature", "", "--public-key", ""), ("--signature", ""), ("--identity", "")):  # unset variables
        assert invoke("cp", *empty, "a.bin", "copy.bin").exit_code == exit_codes.USAGE
    assert not (tmp_path / "copy.bin").exists()
