"""nginx as a server of objects: GET plain and over TLS, or PUT. `nginx_s3.py` adds listings and checksums."""

import contextlib
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import trustme

from bench import servers
from bench.servers import BUCKET, Server, ServerError


@dataclass(frozen=True, slots=True)
class Servers:
    """The same objects, plain and over TLS 1.3 and 1.2."""

    plain: Server
    tls13: Server
    tls12: Server


@contextlib.contextmanager
def nginx(objects: Path, work: Path) -> Iterator[Servers]:
    """Serve the folder `objects` (which holds bucket/key).

    Any S3 client can GET and HEAD with path-style addressing; signatures are not checked.
    """
    state = Path(tempfile.mkdtemp(dir=work, prefix="nginx-"))
    ca, certificate = state / "ca.pem", state / "server.pem"
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(ca)
    issued.private_key_and_cert_chain_pem.write_to_path(certificate)
    plain, tls13, tls12 = servers.free_ports(3)
    config = _GET.format(objects=objects, plain=plain, tls13=tls13, tls12=tls12, certificate=certificate)
    with running(state, config, plain) as pid:
        yield Servers(
            Server(f"http://127.0.0.1:{plain}", *servers.keys(), pids=(pid,)),
            Server(f"https://127.0.0.1:{tls13}", *servers.keys(), ca_bundle=ca, pids=(pid,)),
            Server(f"https://127.0.0.1:{tls12}", *servers.keys(), ca_bundle=ca, pids=(pid,)),
        )


@contextlib.contextmanager
def nginx_put(uploads: Path, work: Path) -> Iterator[Server]:
    """Store objects sent by PUT as `uploads`/bucket/key. Multipart uploads are not supported.

    The bucket is always listed as empty, which is true before each run: some clients request a listing first. All
    objects get the same ETag, because one of the clients rejects a reply without one.
    """
    state = Path(tempfile.mkdtemp(dir=work, prefix="nginx-"))
    (port,) = servers.free_ports(1)
    with running(state, _PUT.format(uploads=uploads, port=port, bucket=BUCKET), port):
        yield Server(f"http://127.0.0.1:{port}", *servers.keys())


@contextlib.contextmanager
def running(state: Path, config: str, port: int) -> Iterator[int]:
    """Run nginx with the directives `config` in its `http` block; yields its process ID once `port` answers.

    Its files are in `state`; `error.log` there explains a failure.
    """
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        raise ServerError("nginx is missing: apt-get install nginx-light")
    file = state / "nginx.conf"
    # Workers started by root would otherwise switch to an account that may not read the folder.
    user = pwd.getpwuid(os.geteuid()).pw_name
    file.write_text(_NGINX.format(user=user, state=state, config=config))
    with servers.running([program, "-c", str(file), "-p", str(state)], port, state / "output.log") as pid:
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
    {config}
}}
"""

# The server chooses the cipher, AES-128 first, as S3 does according to its logs (field "cipher suite"):
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
# If the clients chose, those in Go would get a cheaper one than those with OpenSSL, which prefer AES-256.
_GET = """
    root {objects};
    ssl_prefer_server_ciphers on;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    server {{ listen 127.0.0.1:{plain}; }}
    server {{
        listen 127.0.0.1:{tls13} ssl;
        ssl_protocols TLSv1.3;
        ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384;
    }}
    server {{
        listen 127.0.0.1:{tls12} ssl;
        ssl_protocols TLSv1.2;
        ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256;
    }}
"""

# The buffer is the size of one write to a file.
_PUT = """
    server {{
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
    }}
"""
