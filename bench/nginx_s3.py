"""nginx as an S3 server that lists: prerendered listings, ETags that are MD5s, and checksums on request.

nginx makes its own ETag of a file, from its size and time. So there are two servers in one nginx: the origin reads the
files and sets the ETag of each, and the one that clients see caches its replies, head and body. A cached reply is sent
with `sendfile`, and its ETag counts for If-Match and If-Range. Every object is requested once before the first run.
"""

import base64
import contextlib
import http.client
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from bench import nginx, s3_pages, servers
from bench.servers import BUCKET, Server, ServerError


@contextlib.contextmanager
def nginx_s3(
    objects: Path,
    folders: Collection[str],
    work: Path,
    *,
    checksums: bool,
    address: str = "127.0.0.1",
    connection_rate: int = 0,
) -> Iterator[Server]:
    """Serve the files of some folders of the bucket below `objects`.

    Args:
        objects: The folder that holds bucket/key.
        folders: The folders of the bucket to serve.
        work: Where to keep listings and cached replies, which need as much space as the files.
        checksums: As for objects that current SDKs stored: the CRC64NVME of the whole object on request, and files of
            more than 8 MiB have the ETag of a multipart upload. Otherwise the ETag, an MD5, is the only checksum.
        address: Where clients reach the server.
        connection_rate: Most bytes per second of each connection; 0: no limit.
    """
    state = Path(tempfile.mkdtemp(dir=work, prefix="nginx-s3-"))
    found = {
        path.relative_to(objects / BUCKET).as_posix(): path
        for folder in folders
        for path in sorted((objects / BUCKET / folder).rglob("*"))
        if path.is_file()
    }
    sizes = {key: path.stat().st_size for key, path in found.items()}
    listed = {key: s3_pages.Object(sizes[key], s3_pages.etag(path, multipart=checksums)) for key, path in found.items()}
    listings, markers = s3_pages.write(state / "pages", BUCKET, listed)
    _write_map(state / "etags", {f"/{BUCKET}/{key}": one.etag for key, one in listed.items()})
    _write_map(state / "listings", {text: name for prefix, name in listings.items() for text in _written(prefix)})
    _write_map(
        state / "markers", {text: str(page) for marker, page in markers.items() for text in _written_marker(marker)}
    )
    crcs = {f"ENABLED:/{BUCKET}/{key}": _crc64nvme(path) for key, path in found.items()} if checksums else {}
    _write_map(state / "checksums", crcs)
    port, origin = servers.free_ports(2)
    config = _CONFIG.format(
        state=state,
        objects=objects,
        origin=origin,
        bucket=BUCKET,
        empty=s3_pages.EMPTY,
        rate=connection_rate,
        listen=" ".join(f"listen {one}:{port};" for one in sorted({"127.0.0.1", address})),
    )
    with nginx.running(state, config, port) as pid:
        _fill_cache(port, sizes)
        yield Server(f"http://{address}:{port}", *servers.keys(), pids=(pid,))


def _written(text: str) -> set[str]:
    """The ways in which clients write a prefix in a query."""
    return {text, quote(text, safe="")}


def _written_marker(marker: str) -> set[str]:
    listing, delimiter, key = marker.split(" ")
    return {f"{listing} {delimiter} {text}" for text in _written(key)}


def _write_map(path: Path, entries: Mapping[str, str]) -> None:
    path.write_text("".join(f"\"{name}\" '{value}';\n" for name, value in entries.items()))


def _crc64nvme(path: Path) -> str:
    try:
        from awscrt import checksums
    except ModuleNotFoundError:
        raise ServerError('awscrt is missing, which computes checksums: pip install ".[bench]"') from None
    crc = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            crc = checksums.crc64nvme(block, crc)
    return base64.b64encode(crc.to_bytes(8, "big")).decode()


def _fill_cache(port: int, sizes: Mapping[str, int]) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        for key, size in sizes.items():
            connection.request("GET", f"/{BUCKET}/{key}")
            reply, received = connection.getresponse(), 0
            while block := reply.read(1 << 20):
                received += len(block)
            if reply.status != 200 or received != size:
                raise ServerError(f"nginx answered {reply.status} with {received} bytes for {key}, not {size} bytes")


# A query that would need a listing of its own is answered with 501, so that no client gets a wrong one unnoticed.
_CONFIG = """
    map_hash_max_size 131072;
    map_hash_bucket_size 256;
    map $uri $object_etag {{ include {state}/etags; }}
    map "$http_x_amz_checksum_mode$http_range:$uri" $checksum {{ default ""; include {state}/checksums; }}
    map $checksum $checksum_type {{ default FULL_OBJECT; "" ""; }}

    map $args $list_version {{ default v1; "~(?:^|&)list-type=2" v2; }}
    map $args $list_prefix {{ default ""; "~(?:^|&)prefix=(?<prefix>[^&]*)" $prefix; }}
    map $args $list_delimiter {{ default flat; "~(?:^|&)delimiter=(?:/|%2F)(?:&|$)" folders; }}
    map $args $list_token {{ default ""; "~(?:^|&)continuation-token=(?<token>[^&]*)" $token; }}
    map $args $list_marker {{ default ""; "~(?:^|&)(?:marker|start-after)=(?<marker>[^&]*)" $marker; }}
    map $args $not_listed {{
        default "";
        "~(?:^|&)max-keys=(?!1(?:000)?(?:&|$))" yes;
        "~(?:^|&)(?:acl|location|policy|uploads|versioning|versions)(?:=|&|$)" yes;
    }}
    map $list_prefix $listing {{ default {empty}; include {state}/listings; }}
    map "$listing $list_delimiter $list_marker" $marker_page {{ default unknown; "~ $" 0; include {state}/markers; }}
    map $args $only_first {{ default ""; "~(?:^|&)max-keys=1(?:&|$)" first; }}
    map "$only_first$list_token" $list_page {{ default $list_token; first first; "" $marker_page; }}

    map $server_addr $rate {{ default {rate}; 127.0.0.1 0; }}

    proxy_cache_path {state}/cache levels=1:2 keys_zone=objects:32m inactive=1d use_temp_path=off;

    server {{
        listen 127.0.0.1:{origin};
        root {objects};
        etag off;
        add_header ETag $object_etag;
        location / {{ try_files $uri =404; }}
    }}
    server {{
        {listen}
        limit_rate $rate;
        location ~ ^/{bucket}/?$ {{
            root {state}/pages;
            default_type application/xml;
            etag off;
            if ($request_method = HEAD) {{ return 200; }}
            if ($not_listed) {{ return 501; }}
            try_files /$list_version/$list_delimiter/$listing/$list_page.xml =501;
        }}
        location / {{
            proxy_pass http://127.0.0.1:{origin};
            proxy_cache objects;
            proxy_cache_key $uri;
            proxy_cache_valid 200 1d;
            proxy_intercept_errors on;
            error_page 404 = @missing;
            add_header x-amz-checksum-crc64nvme $checksum;
            add_header x-amz-checksum-type $checksum_type;
        }}
        location @missing {{
            default_type application/xml;
            return 404 '<Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message></Error>';
        }}
    }}
"""
