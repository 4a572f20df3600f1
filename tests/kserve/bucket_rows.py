"""Situations with S3, Google Cloud Storage and Azure; see `rows.py`."""

from tests.kserve.row import Row
from tests.kserve.world import OBJECTS

TARRED = {"model.bin": b"of the tar", "config.json": b"{}"}
_ALIKE = "also gets iris-2/other.bin as -2/other.bin and iris.md as .md"
_EMPTY = "leaves empty files out"
_REFUSED = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "S3_MAX_ATTEMPTS": "1"}
_NO_KEY = {"AZURE_STORAGE_ACCESS_KEY": ""}
IRIS = {"model.joblib": b"model", "sub/params.json": b"params"}


def _bucket(place: str) -> list[Row]:
    """What is equal on S3 and Google Cloud Storage."""
    return [
        Row(f"{place}: a prefix", f"{place}/iris/", IRIS),
        Row(
            f"{place}: a prefix without a slash at its end",
            f"{place}/iris",
            IRIS,
            better="" if place == "{gs}" else _ALIKE,
        ),
        Row(f"{place}: one file below a prefix", f"{place}/one", {"model.bin": b"weights"}),
        Row(f"{place}: an object", f"{place}/one/model.bin", {"model.bin": b"weights"}),
        Row(f"{place}: an object and patterns", f"{place}/one/model.bin", {"model.bin": b"weights"}, allow=["*.json"]),
        Row(f"{place}: no directory", f"{place}/one/", {"model.bin": b"weights"}, out_dir=False),
        Row(f"{place}: allowed", f"{place}/iris/", {"sub/params.json": b"params"}, allow=["*.json"]),
        Row(f"{place}: ignored", f"{place}/iris/", {"model.joblib": b"model"}, ignore=["sub/*"]),
        Row(f"{place}: empty lists of patterns", f"{place}/iris/", IRIS, allow=[], ignore=[]),
        Row(f"{place}: everything excluded", f"{place}/iris/", error="No model found in", allow=["*.onnx"]),
        Row(
            f"{place}: patterns of the environment",
            f"{place}/iris/",
            {"model.joblib": b"model"},
            environ={"STORAGE_ALLOW_PATTERNS": '["*.joblib", "*.json"]', "STORAGE_IGNORE_PATTERNS": "sub/*,*.md"},
        ),
        Row(f"{place}: an archive", f"{place}/packed.zip", {"model.bin": b"of the zip"}),
        Row(f"{place}: one archive below a prefix", f"{place}/alone", TARRED),
        Row(f"{place}: an archive below two prefixes", f"{place}/deep/", TARRED),
        Row(
            f"{place}: the only one of the patterns is an archive",
            f"{place}/two/",
            TARRED,
            allow=["*.tar.gz"],
            better="" if place == "{s3}" else "leaves the archive packed, because another object follows it",
        ),
        Row(f"{place}: a plain tar archive", f"{place}/tarred/plain/", {"model.bin": b"plain"}),
        Row(f"{place}: an archive of bzip2", f"{place}/bzip2/", {"model.bin": b"of bzip2"}),
        Row(f"{place}: an archive without entries", f"{place}/no-entries/", {}),
        Row(f"{place}: an archive in upper case", f"{place}/upper/", {"model.bin": b"of the zip"}),
        Row(f"{place}: gzip is no archive", f"{place}/gzip/", {"model.bin.gz": b"\x1f\x8b of gzip"}),
        Row(
            f"{place}: an archive replaces a file",
            f"{place}/alone/",
            {**TARRED, "other": b"other"},
            before={"model.bin": b"old", "other": b"other"},
        ),
        Row(f"{place}: empty segments in a key", f"{place}/doubled/", {"sub/model.bin": b"weights"}),
        Row(f"{place}: a hidden file", f"{place}/dotted/", {".hidden": b"hidden", "model.bin": b"weights"}),
        Row(f"{place}: a directory as a pattern", f"{place}/iris/", error="No model found in", allow=["sub"]),
        Row(f"{place}: a broken archive", f"{place}/broken/", error="not an archive"),
        Row(
            f"{place}: a checkpoint of PyTorch",
            f"{place}/checkpoint/",
            {"model.pth.tar": b"PK of PyTorch"},
            better="takes it for an archive, and fails",
        ),
        Row(f"{place}: the marker of a directory", f"{place}/marked/", {"w.bin": b"weights"}),
        Row(f"{place}: an empty object beside its directory", f"{place}/hollow", {"w.bin": b"weights"}),
        Row(f"{place}: nothing but a marker", f"{place}/only-marker/", error="No model found in"),
        Row(f"{place}: nothing", f"{place}/gone/", error="No model found in"),
        Row(f"{place}: no such object", f"{place}/gone.bin", error="No model found in"),
        Row(
            f"{place}: names that need care",
            f"{place}/odd/",
            {"with space+plus%41.bin": b"odd", "ünï.bin": b"unicode"},
        ),
        Row(f"{place}: a file that exists", f"{place}/one/", {"model.bin": b"weights"}, before={"model.bin": b"old"}),
        Row(
            f"{place}: other files in the directory",
            f"{place}/one/",
            {"model.bin": b"weights", "other.bin": b"other"},
            before={"other.bin": b"other"},
        ),
        Row(
            f"{place}: a key that leaves the directory",
            f"{place}/climbing/",
            error="would leave the target directory",
            better="writes outside the directory",
        ),
    ]


S3_ROWS = [
    *_bucket("{s3}"),
    Row("an object of S3 wins over a directory", "{s3}/both", {"both": b"the object"}),
    Row("on S3 the directory, by its slash", "{s3}/both/", {"x.bin": b"below it"}),
    Row(
        "an empty file on S3",
        "{s3}/empty-file/",
        {"config": b"", "w.bin": b"weights"},
        better=_EMPTY,
    ),
    Row("an empty object on S3", "{s3}/only-empty", {"only-empty": b""}, better="fails: No model found"),
    Row(
        "a key with # on S3",
        "{s3}/hashed/model#1.bin",
        {"model#1.bin": b"weights"},
        better="takes it for a fragment, and downloads what begins with hashed/model",
    ),
    Row("a specification that is no JSON", "{s3}/one/", error="STORAGE_CONFIG", environ={"STORAGE_CONFIG": "{"}),
    Row(
        "limits of S3",
        "{s3}/iris/",
        IRIS,
        environ={"S3_MAX_ATTEMPTS": "0", "S3_CONNECT_TIMEOUT": "5", "S3_MAX_FILE_CONCURRENCY": "1"},
    ),
    Row("an endpoint that refuses connections", "{s3}/iris/", error="127.0.0.1:1", environ=_REFUSED),
    Row("a slash before the key", "{s3}//one/model.bin", {"model.bin": b"weights"}),
    Row("a bucket that does not exist", "s3://no-such-bucket-here/iris", error="no-such-bucket-here"),
    Row(
        "two archives, one of them in a directory",
        "{s3}/tarred/",
        {path: OBJECTS[f"tarred/{path}"] for path in ("model.tar.gz", "plain/model.tar")},
    ),
    Row(
        "a storage specification",
        "{s3}/one/",
        {"model.bin": b"weights"},
        environ={
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            "STORAGE_CONFIG": '{"type": "s3", "access_key_id": "A", "secret_access_key": "s"}',
            "STORAGE_OVERRIDE_CONFIG": '{"endpoint_url": "{s3_endpoint}", "region": "us-east-1"}',
        },
    ),
    Row(
        "names that only begin alike, if asked for",
        "{s3}/iris",
        {**IRIS, "-2/other.bin": b"another model", ".md": b"about it"},
        environ={"SEALIFT_KSERVE_STRICT": "1"},
    ),
    Row(
        "names that only begin alike, with patterns",
        "{s3}/iris",
        {"-2/other.bin": b"another model"},
        allow=["-2/*"],
        environ={"SEALIFT_KSERVE_STRICT": "1"},
    ),
    Row(
        "a CA bundle that does not exist", "{s3}/one/", error="ca bundle file", environ={"AWS_CA_BUNDLE": "/no/ca.pem"}
    ),
]
GCS_ROWS = [
    *_bucket("{gs}"),
    Row("on Google the directory wins over an object", "{gs}/both", {"x.bin": b"below it"}),
    Row("an empty file on Google", "{gs}/empty-file/", {"config": b"", "w.bin": b"weights"}),
    Row("an empty object on Google", "{gs}/only-empty", {"only-empty": b""}),
    Row("a bucket of Google that does not exist", "gs://no-such-bucket-here/iris", error="no-such-bucket-here"),
]
AZURE_ROWS = [
    Row("a prefix on Azure", "{azure}/iris/", IRIS, better=_ALIKE),
    Row("a prefix on Azure without a slash at its end", "{azure}/iris", IRIS, better=_ALIKE),
    Row(
        "names that only begin alike on Azure, if asked for",
        "{azure}/iris/",
        {**IRIS, "-2/other.bin": b"another model", ".md": b"about it"},
        environ={"SEALIFT_KSERVE_STRICT": "1"},
    ),
    Row("an object on Azure", "{azure}/one/model.bin", {"model.bin": b"weights"}),
    Row("an object on Azure and patterns", "{azure}/one/model.bin", error="No model found in", allow=["*.json"]),
    Row("an object on Azure beside a directory", "{azure}/both", {"both": b"the object", "x.bin": b"below it"}),
    Row("allowed on Azure", "{azure}/two", {"b.bin": b"beside it"}, allow=["*.bin"]),
    Row("ignored on Azure", "{azure}/two", TARRED, ignore=["*.bin"]),
    Row("no directory on Azure", "{azure}/one", {"model.bin": b"weights"}, out_dir=False),
    Row("an archive on Azure", "{azure}/packed.zip", {"model.bin": b"of the zip"}),
    Row("an archive below a prefix on Azure", "{azure}/deep", TARRED),
    Row("a broken archive on Azure", "{azure}/broken", error="not an archive"),
    Row("an empty file on Azure", "{azure}/empty-file", {"config": b"", "w.bin": b"weights"}, better=_EMPTY),
    Row("an empty object on Azure", "{azure}/only-empty", {"only-empty": b""}, better="fails: No model found"),
    Row("nothing on Azure", "{azure}/gone", error="No model found in"),
    Row("the signature in the URL", "{azure}/one?{azure_sas}", {"model.bin": b"weights"}, environ=_NO_KEY),
    Row(
        "the signature as the access key",
        "{azure}/one",
        {"model.bin": b"weights"},
        environ={"AZURE_STORAGE_ACCESS_KEY": "{azure_sas}"},
    ),
    Row("without a key on Azure", "{azure}/one", error="blob.core.windows.net", environ=_NO_KEY),
    Row(
        "another key on Azure",
        "{azure}/one",
        error="blob.core.windows.net",
        environ={"AZURE_STORAGE_ACCESS_KEY": "d3Jvbmc="},
    ),
]
