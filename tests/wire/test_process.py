"""Lanes in a host process that forks, exits, or has the default action for SIGPIPE."""

import subprocess
import sys
import textwrap

import pytest
import trustme

PRELUDE = """
import asyncio, gc, os, signal, socket, ssl, sys, threading, time
from sealift.runtime.detached import run_detached
from sealift.types import Limits
from sealift.wire import TLS, Origin, Request, Wire

server_pem, ca_file = sys.argv[1:]


def serve(handle, secure):
    # Run a server in threads: one for each connection.
    listening = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_pem)

    def run(sock):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPIPE])
        try:
            sock = context.wrap_socket(sock, server_side=True) if secure else sock
            handle(sock)
        except OSError:
            pass  # the client is gone

    def accept():
        while True:
            threading.Thread(target=run, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return Origin("https" if secure else "http", "127.0.0.1", listening.getsockname()[1])


def wire(**limits):
    return Wire(Limits(**limits), run_blocking=run_detached)
"""


@pytest.fixture(scope="module")
def server_pem(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("server") / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(path))
    return str(path)


def run(script: str, server_pem: str, ca_file: str) -> str:
    """Run a script in a process of its own; return its output."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PRELUDE + textwrap.dedent(script)]
    ended = subprocess.run([*command, server_pem, ca_file], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert not ended.stderr
    return ended.stdout


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_interrupted_sending_survives_the_default_action_for_sigpipe(
    secure: bool, server_pem: str, ca_file: str
) -> None:
    script = f"""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    body = memoryview(bytes(16 << 20))


    def handle(sock):
        sock.recv(1000)
        arrived.set()
        time.sleep(1000)


    async def main():
        client = wire()
        request = Request("PUT", serve(handle, {secure}), "/", (), TLS(ca_file=ca_file))
        for size in [10_000, 60_000, 100_000] + 7 * [len(body)]:
            arrived.clear()
            task = asyncio.ensure_future(client.send(request, body[:size]))
            while not arrived.is_set():
                await asyncio.sleep(0.001)
            task.cancel()
            await asyncio.wait([task])
        connection = await client._dialer.dial(request.origin, request.tls)
        connection.interrupt(ConnectionError("interrupted"))  # before the lane sends
        try:
            await client._lanes.run(connection, lambda: connection.send(b"GET / HTTP/1.1"))
        except ConnectionError:
            print("survived")
        connection.close()
        await client.aclose()


    arrived = threading.Event()
    asyncio.run(main())
    """
    assert run(script, server_pem, ca_file) == "survived\n"


@pytest.mark.parametrize("end", ["cancel", "aclose", "exit"])
def test_a_lookup_that_hangs_holds_up_nothing(end: str, server_pem: str, ca_file: str) -> None:
    script = f"""
    def getaddrinfo(*args, **kwargs):
        asked.set()
        time.sleep(1000)


    async def main():
        client = wire()
        tasks = [
            asyncio.ensure_future(client.send(Request("GET", Origin("http", name, 80), "/")))
            for name in ("a.example", "a.example", "b.example")
        ]
        while not asked.is_set():
            await asyncio.sleep(0.001)
        if {end!r} == "cancel":
            for task in tasks:
                task.cancel()
        elif {end!r} == "aclose":
            await client.aclose()
        else:
            return
        await asyncio.wait(tasks)
        print(*(task.cancelled() or type(task.exception()).__name__ for task in tasks))


    asked = threading.Event()
    socket.getaddrinfo = getaddrinfo
    asyncio.run(main())
    """
    expected = {"cancel": "True True True\n", "aclose": "ClosedError ClosedError ClosedError\n", "exit": ""}
    assert run(script, server_pem, ca_file) == expected[end]


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_process_that_forks(secure: bool, server_pem: str, ca_file: str) -> None:
    """Children that inherit connections in use, and exit in all ways, do not disturb the parent."""
    script = f"""
    SIZE = 20_000_000
    unit = bytes(range(251)) * 4


    def handle(sock):
        while sock.recv(10_000):
            sock.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % SIZE)
            for start in range(0, SIZE, len(unit)):
                sock.sendall(unit[: SIZE - start])
                turn.acquire(timeout=0.001)  # slow down, so that there is time to fork


    async def main():
        client = wire()
        request = Request("GET", serve(handle, {secure}), "/", (), TLS(ca_file=ca_file))
        await asyncio.gather(*(client.fetch(request, memoryview(memory)) for memory in memories))
        await client.aclose()


    memories = [bytearray(SIZE) for _ in range(3)]
    turn = threading.Semaphore(0)
    loop = threading.Thread(target=asyncio.run, args=(main(),))
    loop.start()
    while not all(memory[1] for memory in memories):
        time.sleep(0.001)
    for how in ("exit", "collect") * 3:
        if not (pid := os.fork()):
            if how == "exit":
                sys.exit(0)
            del loop
            gc.collect()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    assert loop.is_alive()
    turn.release(1_000_000)
    loop.join()
    whole = (unit * (SIZE // len(unit) + 1))[:SIZE]
    print(all(memory == whole for memory in memories))
    """
    assert run(script, server_pem, ca_file) == "True\n"


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_the_interpreter_exits_while_lanes_run(secure: bool, server_pem: str, ca_file: str) -> None:
    script = f"""
    def handle(sock):
        sock.recv(1000)
        arrived.set()
        time.sleep(1000)


    async def main():
        client = wire()
        request = Request("GET", serve(handle, {secure}), "/", (), TLS(ca_file=ca_file))
        task = asyncio.ensure_future(client.send(request))
        while not arrived.is_set():
            await asyncio.sleep(0.001)
        print("leaving", flush=True)
        sys.exit(0)


    arrived = threading.Event()
    asyncio.run(main())
    """
    assert run(script, server_pem, ca_file) == "leaving\n"
