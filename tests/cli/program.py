"""Run `python -m sealift` in a child process."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from tests.services.s3 import Keys, S3Service

TIMEOUT = 60


def clean_environ() -> dict[str, str]:
    """The environment of this process without S3 and proxy variables."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "S3_")) and not name.lower().endswith("_proxy")
    }


def environ_for(service: S3Service, keys: Keys | None = None) -> dict[str, str]:
    """The environment variables for an S3 service."""
    chosen = keys or service.keys
    return {
        "AWS_ENDPOINT_URL": service.endpoint,
        "AWS_ACCESS_KEY_ID": chosen.access_key,
        "AWS_SECRET_ACCESS_KEY": chosen.secret_key,
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    }


def start(*arguments: object, environ: Mapping[str, str] | None = None, **options: Any) -> "subprocess.Popen[Any]":
    """Start the command; by default, stdout and stderr are pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "sealift", *map(str, arguments)],
        env=clean_environ() | {"PYTHONWARNINGS": "error"} | dict(environ or {}),
        **{
            "text": True,
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            # Test runs in the background of a script ignore SIGINT, those of nohup SIGHUP, and children inherit that.
            "preexec_fn": _restore_signals,
        }
        | options,
    )


def run(*arguments: object, environ: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the command and wait for it."""
    with start(*arguments, environ=environ) as process:
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def _restore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
