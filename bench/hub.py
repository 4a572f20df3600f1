"""The API of a hub with one public repository: `hub.py PORT LISTING`, where LISTING is written by `clouds.py`.

It serves revisions, the tree, and redirects to files. Every file is in Git LFS: `resolve` is a 302 to another server,
with the file's size and SHA-256. The hub itself stores no files.
"""

import hashlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

LISTING = json.loads(Path(sys.argv[2]).read_text())
NAME, STORAGE, FILES = LISTING["name"], LISTING["storage"], LISTING["files"]
COMMIT = hashlib.sha1(json.dumps(FILES).encode()).hexdigest()
INFO = {
    "id": NAME,
    "sha": COMMIT,
    "lastModified": "2026-01-02T03:04:05.000Z",
    "private": False,
    "gated": False,
    "siblings": [{"rfilename": path} for path in FILES],
}
TREE = [
    {
        "type": "file",
        "oid": hashlib.sha1(path.encode()).hexdigest(),
        "size": file["size"],
        "path": path,
        "lfs": {"oid": file["sha256"], "size": file["size"], "pointerSize": 134},
    }
    for path, file in FILES.items()
]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        api, files = f"/api/models/{NAME}", f"/{NAME}/resolve/"
        if path in {api, f"{api}/revision/main", f"{api}/revision/{COMMIT}"}:
            self.reply(200, INFO)
        elif path in {f"{api}/tree/main", f"{api}/tree/{COMMIT}"}:
            self.reply(200, TREE)
        elif path.startswith(files) and (name := path.removeprefix(files).partition("/")[2]) in FILES:
            file = FILES[name]
            self.reply(
                302,
                "Found",
                {
                    "Location": f"{STORAGE}/{NAME}/{quote(name)}",
                    "X-Repo-Commit": COMMIT,
                    "X-Linked-Size": str(file["size"]),
                    "X-Linked-Etag": f'"{file["sha256"]}"',
                    "Accept-Ranges": "bytes",
                },
            )
        else:
            self.reply(404, {"error": "Not found"})

    do_HEAD = do_GET  # noqa: N815

    def reply(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        told = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
        for name, text in told.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
