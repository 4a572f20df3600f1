"""Situations with S3 and Google Cloud Storage; see `rows.py`."""

from tests.kserve.archives import ZIP
from tests.kserve.row import Row
from tests.kserve.world import OBJECTS, WHOLE

__all__ = ["ALIKE", "EMPTY", "GCS_ROWS", "IRIS", "LINKED", "PROXY", "S3_ROWS", "TARRED"]

TARRED = {"model.bin": b"of the tar", "config.json": b"{}"}
ALIKE = "also gets iris-2/other.bin as -2/other.bin and iris.md as .md"
EMPTY = "leaves empty files out"
LINKED = "creates the links"
_REFUSED = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "S3_MAX_ATTEMPTS": "1"}
IRIS = {"model.joblib": b"model", "sub/params.json": b"params"}
IRIS_MODEL = {"model.joblib": b"model"}
UNZIPPED = {"model.bin": b"of the zip"}
WEIGHTS = {"model.bin": b"weights"}
_WEED = {"AWS_ENDPOINT_URL": "{weed}", "AWS_ACCESS_KEY_ID": "{weed_key}"}
PROXY = {"HTTP_PROXY": "http://127.0.0.1:1", "S3_MAX_ATTEMPTS": "0"}
_TLS = {"AWS_ENDPOINT_URL": "{s3_tls}", "S3_MAX_ATTEMPTS": "0"}
_NOBODY = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


def _bucket(place: str) -> list[Row]:
    """What is equal on S3 and Google Cloud Storage."""
    return [
        Row(f"{place}: a prefix", f"{place}/iris/", IRIS),
        Row(
            f"{place}: a prefix without a slash at its end",
            f"{place}/iris",
            IRIS,
            better="" if place == "{gs}" else ALIKE,
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
        Row(
            f"{place}: an object whose name needs care",
            f"{place}/odd/with space+plus%41.bin",
            {"with space+plus%41.bin": b"odd"},
        ),
        Row(f"{place}: an object with a name in Unicode", f"{place}/odd/ünï.bin", {"ünï.bin": b"unicode"}),
        Row(f"{place}: allowed and ignored", f"{place}/iris/", IRIS_MODEL, allow=["*"], ignore=["*.json"]),
        Row(f"{place}: classes in patterns", f"{place}/iris/", IRIS_MODEL, allow=["[lm]odel.?oblib", "[!a-z]*"]),
        Row(f"{place}: a pattern that ends in a slash", f"{place}/iris/", error="No model found in", allow=["sub/"]),
        Row(f"{place}: an ignored pattern that ends in a slash", f"{place}/iris/", IRIS, ignore=["sub/"]),
        Row(f"{place}: one slash too many at the end", f"{place}/iris//", error="No model found in"),
        Row(
            f"{place}: the marker of a directory that is not empty",
            f"{place}/filled-marker/",
            error="filled-marker/",
            better="leaves it out",
        ),
        Row(f"{place}: a file and a directory of the same name", f"{place}/clash/", error="clash/a"),
        Row(f"{place}: a link in an archive", f"{place}/linked/", error="symbolic link", better=LINKED),
        Row(f"{place}: a link that leads out of the directory", f"{place}/escaping/", error="symbolic link"),
        Row(f"{place}: an archive in an archive", f"{place}/nested/", {"inner.zip": ZIP}),
        Row(f"{place}: a relative directory", f"{place}/iris/", IRIS, out_dir="out"),
        Row(f"{place}: a relative directory with dots", f"{place}/packed.zip", UNZIPPED, out_dir="./a/../out/"),
        Row(f"{place}: a directory whose name begins with ~", f"{place}/one/model.bin", WEIGHTS, out_dir="~/out"),
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
        better=EMPTY,
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
    Row("a whole bucket", "{s3_root}/", WHOLE),
    Row("a whole bucket without a slash", "{s3_root}", WHOLE),
    Row("a key with ? on S3", "{s3}/asked/model?1.bin", {"model?1.bin": b"weights"},
        better="takes it for a query, and downloads what begins with asked/model"),
    Row("the endpoint although endpoints are ignored", "{s3}/one/", WEIGHTS,
        environ={"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}),
    Row("a number of attempts that is no number", "{s3}/one/", error="S3_MAX_ATTEMPTS",
        environ={"S3_MAX_ATTEMPTS": "many"}),
    Row("a timeout that is no number", "{s3}/one/", error="S3_READ_TIMEOUT", environ={"S3_READ_TIMEOUT": "1.5"}),
    Row("without credentials on S3", "{closed}/kserve/", error="redentials", environ={**_WEED, **_NOBODY}),
    Row("a public bucket", "{public}/kserve/", WEIGHTS, environ={**_WEED, **_NOBODY, "awsAnonymousCredential": "True"}),
    Row("a bucket that is not public", "{closed}/kserve/", error="{closed}",
        environ={**_WEED, "awsAnonymousCredential": "true"}),
    Row("another secret on S3", "{closed}/kserve/", error="{closed}", environ={**_WEED, "AWS_SECRET_ACCESS_KEY": "no"}),
    Row("another key on S3", "{closed}/kserve/", error="{closed}", environ={**_WEED, "AWS_ACCESS_KEY_ID": "no"}),
    Row("a public bucket by the specification", "{public}/kserve/model.bin", WEIGHTS,
        environ={"STORAGE_CONFIG": '{"type": "s3", "anonymous": "true", "endpoint_url": "{weed}"}'}),
    Row("a specification without a type", "{s3}/one/", WEIGHTS,
        environ={"STORAGE_CONFIG": '{"endpoint_url": "http://127.0.0.1:1"}'}),
    Row("a specification of another storage", "{s3}/one/", WEIGHTS,
        environ={"STORAGE_CONFIG": '{"type": "gs", "endpoint_url": "http://127.0.0.1:1"}'}),
    Row("a specification that is a list", "{s3}/one/", error="STORAGE_CONFIG", environ={"STORAGE_CONFIG": "[1]"}),
    Row("keys of a shared file", "{closed}/kserve/", WEIGHTS,
        environ={**_WEED, **_NOBODY, "AWS_SHARED_CREDENTIALS_FILE": "{weed_file}"}),
    Row("a profile of a shared file", "{closed}/kserve/", WEIGHTS, environ={
        **_WEED, **_NOBODY, "AWS_SHARED_CREDENTIALS_FILE": "{weed_file}", "AWS_PROFILE": "other"}),
    Row("no bucket on S3", "s3://", error="bucket"),
    Row("no bucket before the key on S3", "s3:///iris", error="bucket"),
    Row("a proxy for S3 that cannot be reached", "{s3}/one/", error="127.0.0.1:1", environ=PROXY),
    Row("TLS of S3 and its bundle", "{s3}/one/", WEIGHTS, environ={**_TLS, "AWS_CA_BUNDLE": "{ca}"}),
    Row("TLS of S3 and the bundle of the cluster", "{s3}/one/", WEIGHTS,
        environ={**_TLS, "CA_BUNDLE_CONFIGMAP_NAME": "bundle", "CA_BUNDLE_VOLUME_MOUNT_POINT": "{ca_directory}"}),
    Row("TLS of S3 that is not verified", "{s3}/one/", WEIGHTS, environ={**_TLS, "S3_VERIFY_SSL": "0"}),
    Row("TLS of S3 that is not verified, by the specification", "{s3}/one/", WEIGHTS,
        environ={**_TLS, "STORAGE_CONFIG": '{"type": "s3", "verify_ssl": "false"}'}),
    Row("TLS of S3 and the bundle of the specification", "{s3}/one/", WEIGHTS,
        environ={**_TLS, "STORAGE_CONFIG": '{"type": "s3", "ca_bundle": "{ca}"}'}),
    Row("TLS of S3 and another value for its verification", "{s3}/one/", error="trusted",
        environ={**_TLS, "S3_VERIFY_SSL": "no"}),
    Row("TLS of S3 and another authority", "{s3}/one/", error="trusted", environ=_TLS),
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
]  # fmt: skip
GCS_ROWS = [
    *_bucket("{gs}"),
    Row("on Google the directory wins over an object", "{gs}/both", {"x.bin": b"below it"}),
    Row("an empty file on Google", "{gs}/empty-file/", {"config": b"", "w.bin": b"weights"}),
    Row("an empty object on Google", "{gs}/only-empty", {"only-empty": b""}),
    Row("a whole bucket of Google", "{gs_root}/", WHOLE, better="fails"),
    Row("a whole bucket of Google without a slash", "{gs_root}", WHOLE, better="fails"),
    Row("a key with # on Google", "{gs}/hashed/model#1.bin", {"model#1.bin": b"weights"}),
    Row("a key with ? on Google", "{gs}/asked/model?1.bin", {"model?1.bin": b"weights"}),
    Row("a key file that does not exist", "{gs}/one/", WEIGHTS,
        environ={"GOOGLE_APPLICATION_CREDENTIALS": "/no/such/key.json"}),
    Row("a key file that is none", "{gs}/one/", WEIGHTS,
        environ={"GOOGLE_APPLICATION_CREDENTIALS": "{local}/one/model.bin"}),
    Row("limits of S3 that are no numbers, on Google", "{gs}/one/", WEIGHTS, environ={"S3_MAX_ATTEMPTS": "many"}),
    Row("no bucket on Google", "gs://", error="bucket"),
    Row("no bucket before the key on Google", "gs:///iris", error="bucket"),
    Row("a bucket of Google that does not exist", "gs://no-such-bucket-here/iris", error="no-such-bucket-here"),
]  # fmt: skip
