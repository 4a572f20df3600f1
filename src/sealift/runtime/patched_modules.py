"""Detect gevent and eventlet: with threads, sockets and queues that they have replaced, no event loop can run."""

import sys

from ..errors import UnsupportedOperation

__all__ = ["refuse_patched_modules"]

# Module, a function or class of it that gevent and eventlet replace, and the modules that define the original one.
_ORIGINALS = (
    ("threading", "get_ident", ("_thread",)),
    ("socket", "socket", ("socket", "_socket")),  # _socket: while another thread imports it
    ("select", "select", ("select",)),
    ("queue", "SimpleQueue", ("_queue", "queue")),
)


def refuse_patched_modules() -> None:
    """Raise an error if gevent or eventlet has replaced the threads or sockets of the standard library.

    After `gevent.monkey.patch_all()` or `eventlet.monkey_patch()`, `threading.Thread` starts a greenlet in the calling
    thread. An event loop in it would stop all other greenlets, and whoever waits for it would wait forever.

    Raises:
        UnsupportedOperation: They are replaced.
    """
    patched: list[str] = []
    library = ""
    for name, attribute, originals in _ORIGINALS:
        defined_in = getattr(getattr(sys.modules.get(name), attribute, None), "__module__", originals[0])
        if defined_in not in originals:
            patched.append(name)
            library = str(defined_in).partition(".")[0]
    if patched:
        raise UnsupportedOperation(
            f"{library} has patched the modules {', '.join(patched)}, without which no event loop can run in a thread",
            hint="run the transfer in a process that is not patched, for example with "
            "subprocess.run([sys.executable, '-m', 'sealift', 'cp', …]); or use a worker class with threads, "
            "for example `gunicorn -k gthread`",
        )
