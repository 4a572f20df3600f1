"""The program that a worker process runs: load the few modules that it needs, then serve orders.

Run by its path, not as a module, so that the package's own `__init__` modules, which load asyncio, are not imported.
"""

import marshal
import socket
import sys
from types import ModuleType

_LENGTH = 4  # bytes of the length before an order; see `protocol.py`
_PACKAGES = {"sealift": "", "sealift.wire": "wire"}


def _receive(control: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        received = control.recv(length - len(data))
        if not received:
            sys.exit()  # the parent has ended
        data += received
    return data


def _start() -> None:
    control = socket.socket(fileno=0)
    length = int.from_bytes(_receive(control, _LENGTH), sys.byteorder)
    (settings,) = marshal.loads(_receive(control, length))  # noqa: S302 - from the parent, which started this process
    sys.path[:] = settings["path"]
    for name, directory in _PACKAGES.items():
        package = ModuleType(name)
        package.__path__ = ["/".join([settings["package"], directory]).rstrip("/")]
        sys.modules[name] = package

    from sealift.wire.workers.main import serve  # noqa: PLC0415 - the modules can be found only now

    serve(control, settings)


if __name__ == "__main__":
    _start()
