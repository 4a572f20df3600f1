"""A program that PyInstaller has frozen: modules that are imported by name are included."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.servers import FakeS3

PROGRAM = """
import sys
from sealift import InvalidConfig, S3Config, Storage, StorageOperations

endpoint, here = sys.argv[1:]
config = S3Config("AKIAFAKE", "the-secret-of-the-fake", endpoint_url=endpoint)
print(Storage.read("s3://b/m", config=config))
print(Storage.download("s3://b/m", f"{here}/m", config=config))
print(StorageOperations.list_objects("s3://b/", config=config))
print(Storage.copy(f"{here}/m", f"{here}/copied"))
print(StorageOperations.delete_object(f"{here}/copied"))
for uri, other in (("gs://b/m", config), ("azure://box/m", config), ("hf://o/n", config), ("https://h/m", config)):
    try:
        Storage.read(uri, config=other)
    except InvalidConfig as error:  # raised by the backend
        print(str(error).partition(": ")[2])
"""


def test_the_hook_is_found() -> None:
    entries = importlib.metadata.entry_points(group="pyinstaller40", name="hook-dirs")
    (entry,) = (each for each in entries if each.module == "sealift.integrations.pyinstaller")
    (directory,) = entry.load()()
    assert (Path(directory) / "hook-sealift.py").is_file()


# What other packages import if it is there, and a program that uses sealift alone does not need: it takes minutes.
UNUSED = (
    "IPython", "PIL", "jinja2", "ml_dtypes", "moto", "numpy", "opentelemetry", "pandas", "pygments", "pytest", "scipy",
    "sklearn",
)  # fmt: skip


@pytest.mark.timeout(600)
def test_a_frozen_program(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    options = ("--onedir", "--distpath", tmp_path / "dist", "--workpath", tmp_path / "build", "--specpath", tmp_path)
    environ = os.environ | {"PYINSTALLER_CONFIG_DIR": str(tmp_path / "cache")}
    unused = (f"--exclude-module={module}" for module in UNUSED)
    command = [sys.executable, "-m", "PyInstaller", "--log-level", "ERROR", *map(str, options), *unused, "program.py"]
    built = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    with FakeS3({"b": {"m": b"model"}}) as server:
        frozen = [tmp_path / "dist/program/program", server.endpoint, tmp_path]
        environ = {"HOME": str(tmp_path), "PATH": os.defpath, "AWS_EC2_METADATA_DISABLED": "true"}
        done = subprocess.run(frozen, env=environ, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert (done.returncode, lines[:5], done.stderr) == (
        0,
        ["b'model'", f"{tmp_path}/m", "['m']", f"{tmp_path}/copied", "True"],
        "",
    )
    assert len(lines) == 5 + 4
    assert all("S3Config is not for" in line for line in lines[5:]), lines
