"""What a call of `Storage.download` has done: the part that runs in the process of the call, of either package."""

import json
import os
import socket
import sys
import tempfile
from typing import Any

__all__ = ["call", "tree"]


def tree(directory: str) -> dict[str, str]:
    """Relative path → content as latin-1 of all files, also of those behind links."""
    found = {}
    for root, _, names in os.walk(directory, followlinks=True):
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, directory)] = file.read().decode("latin-1")
    return found


def redirect(addresses: dict[str, int]) -> None:
    """Resolve these names to ports of this machine."""
    original = socket.getaddrinfo

    def resolve(host: Any, port: Any, *arguments: Any, **keywords: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name in addresses:
            return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", addresses[name]))]
        return original(host, port, *arguments, **keywords)

    socket.getaddrinfo = resolve


def call(told: dict[str, Any]) -> dict[str, Any]:
    """Call it once.

    Args:
        told: `uri`, `out_dir` (None: none), `allow`, `ignore`, and `addresses`: names that are ports of this machine;
            `pairs` of URIs and directories for a call of `download_files`. None: one of `download`.

    Returns:
        `returned` and `files`, or `error` with the names of its classes; `links` at the top of the directory; which
        `variables` of the environment were changed; `hosts`, the addresses that this process has connected to; and
        what it has left in the `temporary` directory and in the `home` directory.
    """
    from kserve_storage import Storage

    hosts: set[str] = set()

    def observe(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            hosts.add(f"{arguments[1][0]}:{arguments[1][1]}")

    sys.addaudithook(observe)
    redirect(told["addresses"])
    before = dict(os.environ)
    out: dict[str, Any] = {}
    directory = told["out_dir"]
    try:
        patterns = told["allow"], told["ignore"]
        if told["pairs"] is None:
            out["returned"] = Storage.download(told["uri"], directory, *patterns)
            directory = directory or out["returned"]
        else:
            uris, directories = [uri for uri, _ in told["pairs"]], [path for _, path in told["pairs"]]
            out["returned"] = Storage.download_files(uris, directories, *patterns)
    except Exception as error:
        out["error"] = str(error)
        out["classes"] = [kind.__name__ for kind in type(error).__mro__]
    out["files"] = tree(directory) if directory else {}
    found = os.listdir(directory) if directory and os.path.isdir(directory) else []
    out["links"] = sorted(name for name in found if os.path.islink(f"{directory}/{name}"))
    out["variables"] = sorted(name for name in {*before, *os.environ} if before.get(name) != os.environ.get(name))
    out["hosts"] = sorted(hosts)
    out["temporary"] = sorted(
        name for name in os.listdir(tempfile.gettempdir()) if os.path.join(tempfile.gettempdir(), name) != directory
    )
    out["home"] = sorted(os.listdir(os.environ["HOME"]))
    if not told["out_dir"] and directory and directory.startswith(tempfile.gettempdir()):
        out["returned"] = "a new directory"
    return out


if __name__ == "__main__":
    print(json.dumps(call(json.load(sys.stdin))))
