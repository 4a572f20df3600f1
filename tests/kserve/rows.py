"""All situations in which `kserve_storage` is called, and what sealift's makes of them.

`test_kserve_storage.py` tests sealift with them; `python -m tests.kserve` also runs the original, and fails unless both
agree or the row says why sealift is better.
"""

from tests.kserve.bucket_rows import AZURE_ROWS, GCS_ROWS, S3_ROWS, TARRED
from tests.kserve.row import Row
from tests.kserve.world import ARCHIVED, REPOSITORY, TOKEN

WEB_ROWS = [
    Row("a file of a web server", "{web}/m/model.joblib", {"model.joblib": b"model"}),
    Row("a file of a web server, with a query", "{web}/m/model.joblib?v=1&t=x", {"model.joblib": b"model"}),
    Row("a fragment of a URL", "{web}/m/model.joblib#part", {"model.joblib": b"model"}),
    Row("an error of a web server", "{web}/m/broken-server.bin", error="500"),
    Row("headers that are no JSON", "{web}/m/guarded.bin", error="-headers", environ={"127.0.0.1-headers": "{"}),
    Row("patterns and a web server", "{web}/m/model.joblib", {"model.joblib": b"model"}, allow=["*.json"]),
    Row("a web server without a directory", "{web}/m/model.joblib", {"model.joblib": b"model"}, out_dir=False),
    Row("a tar archive of a web server", "{web}/m/model.tar.gz", TARRED),
    Row("a tgz archive of a web server", "{web}/m/model.tgz", TARRED),
    Row("a plain tar archive of a web server", "{web}/m/model.tar", {"model.bin": b"plain"}),
    Row("a zip archive of a web server", "{web}/m/model.zip", {"model.bin": b"of the zip"}),
    Row("an archive that the query names", "{web}/download?file=model.tar.gz", TARRED),
    Row(
        "an archive beside other files",
        "{web}/m/model.zip",
        {"model.bin": b"of the zip", "a": b"a"},
        before={"a": b"a"},
    ),
    Row("a name that is percent-encoded", "{web}/m/my%20model.bin", {"my%20model.bin": b"spaced"}),
    Row(
        "another Content-Type",
        "{web}/m/params.json",
        {"params.json": b'{"a": 1}'},
        better="fails unless it is application/octet-stream",
    ),
    Row("a login page", "{web}/m/login", error="web page"),
    Row("a login page instead of a file", "{web}/m/login.bin", error="web page"),
    Row("no file name", "{web}/m/", error="No filename contained in URI"),
    Row("a file that is missing", "{web}/m/gone.bin", error="No model found in"),
    Row("a broken archive of a web server", "{web}/m/broken.tar.gz", error="not an archive"),
    Row(
        "a compressed file",
        "{web}/m/weights.bin.gz",
        {"weights.bin.gz": b"\x1f\x8b of gzip"},
        better="decompresses it to weights.bin.gz.tar",
    ),
    Row(
        "a header for the host",
        "{web}/m/guarded.bin",
        {"guarded.bin": b"guarded"},
        environ={"127.0.0.1-headers": f'{{"X-Token": "{TOKEN}"}}'},
    ),
    Row("without the header", "{web}/m/guarded.bin", error="401"),
]
HUB_ROWS = [
    Row("a repository", "hf://owner/model", REPOSITORY, better="leaves .cache/huggingface in the directory"),
    Row("a revision", "hf://owner/model:v1", {"old.bin": b"old"}, better="leaves .cache/huggingface in the directory"),
    Row(
        "a directory as a pattern",
        "hf://owner/model",
        {path: data for path, data in REPOSITORY.items() if path.startswith("onnx/")},
        allow=["onnx/"],
        better="leaves .cache/huggingface in the directory",
    ),
    Row(
        "an archive in a repository stays packed",
        "hf://owner/archived",
        ARCHIVED,
        better="leaves .cache/huggingface in the directory",
    ),
    Row(
        "a directory of a repository",
        "hf://owner/model/onnx",
        {"model.onnx": b"onnx", "sub/extra.bin": b"extra"},
        better="fails: only hf://owner/model[:revision] is allowed",
    ),
    Row("a repository that is missing", "hf://owner/gone", error="hf://owner/gone"),
    Row("a revision that is missing", "hf://owner/model:gone", error="gone"),
    Row("a gated repository", "hf://owner/gated", error="hf://owner/gated"),
    Row("a repository without a name", "hf://owner/", error="hf://owner"),
]
LOCAL_ROWS = [
    Row("a local directory", "{local}/iris", {"model.joblib": b"model", "sub/params.json": b"params"},
        links=frozenset({"model.joblib", "sub"})),
    Row("a local directory as a URI", "file://{local}/one", {"model.bin": b"weights"}, links=frozenset({"model.bin"})),
    Row("a local file", "{local}/one/model.bin", {"model.bin": b"weights"}, links=frozenset({"model.bin"})),
    Row("a local path without a directory", "{local}/iris", returns="{local}/iris", out_dir=False, files={}),
    Row("a local URI without a directory", "file://{local}/iris", returns="{local}/iris", out_dir=False, files={}),
    Row("a local file that exists", "{local}/one", {"model.bin": b"mine"}, before={"model.bin": b"mine"}),
    Row("local patterns", "{local}/two", {"b.bin": b"beside it"}, ignore=["*.gz"], links=frozenset({"b.bin"})),
    Row("a local directory with a slash at its end", "{local}/one/", {"model.bin": b"weights"},
        links=frozenset({"model.bin"})),
    Row("a local directory as a pattern", "{local}/iris", {"sub/params.json": b"params"}, allow=["sub"],
        links=frozenset({"sub"})),
    Row("a broken local archive", "{local}/broken", error="not an archive"),
    Row("a local archive of bzip2", "{local}/bzip2", {"model.bin": b"of bzip2"}),
    Row("a local archive", "{local}/alone", TARRED),
    Row("a local zip archive", "{local}/packed.zip", {"model.bin": b"of the zip"}),
    Row("hidden local files", "{local}/hidden", {"model.bin": b"seen"}, links=frozenset({"model.bin"})),
    Row("an empty local directory", "{local}/nothing", error="No model found in"),
    Row("a local path that is missing", "file://{local}/gone", error="does not exist"),
    Row("a volume that is missing", "/mnt/pvc/gone/model", error="Cannot locate source uri"),
    Row("the directory of the model agent", "/mnt/models/of-the-agent", {}),
    Row("no URI", "no/such/path", error="Cannot recognize storage type for"),
    Row("a scheme that does not exist", "ftp://example.com/model.bin", error="Cannot recognize storage type for"),
]  # fmt: skip


ROWS = [*S3_ROWS, *GCS_ROWS, *AZURE_ROWS, *WEB_ROWS, *HUB_ROWS, *LOCAL_ROWS]
