"""The command line with ModelScope, Git repositories and HDFS, configured by the environment."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from sealift.cli import main
from tests.services.git_server import Repository
from tests.services.git_server import running as git_server
from tests.services.modelscope import TOKEN
from tests.services.modelscope import running as modelscope
from tests.services.webhdfs import running as namenode

from .conftest import files
from .program import clean_environ

MODEL = {"config.json": b"{}", "deep/er/weights.bin": b"weights" * 1000, "empty": b""}


@pytest.mark.parametrize("service", ["modelscope", "git", "hdfs"])
def test_list_and_copy(service: str, tmp_path: Path) -> None:
    environ = {**clean_environ(), "XDG_STATE_HOME": str(tmp_path / "state"), "SEALIFT_PATIENCE": "1"}
    stored = {f"model/{key}": data for key, data in MODEL.items()}
    (tmp_path / "git").mkdir()
    with modelscope() as hub, git_server(tmp_path / "git") as server, namenode() as hdfs:
        if service == "modelscope":
            hub.repo("owner/name", stored, private=True)
            environ |= {"MODELSCOPE_ENDPOINT": hub.url, "MODELSCOPE_API_TOKEN": TOKEN}
            uri = "modelscope://owner/name"
        elif service == "git":
            repository = Repository(server, "owner/name")
            repository.put(stored)
            uri = repository.uri
        else:
            hdfs.put(stored)
            environ |= {"HDFS_NAMENODE": hdfs.url}
            uri = "hdfs://"
        runner = CliRunner()
        base = uri.rstrip("/") if service != "hdfs" else "hdfs:/"
        listed = runner.invoke(main, ("ls", f"{base}/model/"), env=environ)
        assert listed.exit_code == 0, listed.output
        assert sorted(listed.stdout.splitlines()) == ["config.json", "deep/", "empty"]
        if service == "hdfs":
            assert runner.invoke(main, ("ls", "hdfs:///"), env=environ).stdout == "model/\n"
        copied = runner.invoke(main, ("cp", "-r", f"{base}/model/", str(tmp_path / "copy")), env=environ)
        assert copied.exit_code == 0, copied.output
        assert files(tmp_path / "copy") == MODEL
        doctor = runner.invoke(main, ("doctor", f"{base}/model/"), env=environ)
        assert doctor.exit_code == 0, doctor.output
        assert TOKEN not in doctor.output
