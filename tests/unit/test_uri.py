"""Parsing of storage URIs and local paths."""

import dataclasses
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift import uri
from sealift.errors import InvalidInput, InvalidURI
from sealift.uri import SUPPORTED_PROTOCOLS, Location, get_storage_spec, is_local, parse

FORMATS = {name: value for name, value in vars(uri).items() if name.endswith("_URI_FORMAT")}
BLOB = "https://account.blob.core.windows.net"
ARN = "arn:aws:s3:us-west-2:123456789012:accesspoint/models"
ARNS = [
    ARN,
    "arn:aws:s3:us-west-2:123456789012:accesspoint:models",
    "arn:aws-cn:s3:cn-north-1:123456789012:accesspoint/models",
    "arn:aws-us-gov:s3:us-gov-west-1:123456789012:accesspoint/models",
    "arn:aws:s3-object-lambda:us-west-2:123456789012:accesspoint/models",
    "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-01ac5d28a6a232904/accesspoint/models",
    "arn:aws:s3-outposts:us-west-2:123456789012:outpost:op-01ac5d28a6a232904:accesspoint:models",
    "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap",
    "arn:aws:s3::123456789012:accesspoint:mfzwi23gnjvgw.mrap",
]
# Keys that URI decoding would change.
VERBATIM = [
    "a?b", "a?versionId=3", "a#b", "a%20b", "a%2Fb", "100%", "a+b", "with space", " leading", "trailing ", "ünï/コ.bin",
    "\N{GRINNING FACE}", "e\u0301", "a//b", "/leading", "//twice", "a/", "a/./b", "a/../b", "..", "~user",
    "back\\slash", "a:b", "user:word@host/x", "new\nline", "s3://other/key",
]  # fmt: skip


def location(scheme: str, root: str, key: str = "", **more: Any) -> Location:
    return Location(scheme, root, key, **more)


@pytest.mark.parametrize(
    ("name", "text", "parsed"),
    [
        ("S3_URI_FORMAT", "s3://bucket-name/path/to/model/", location("s3", "bucket-name", "path/to/model/")),
        ("GCS_URI_FORMAT", "gs://bucket-name/path/to/model/", location("gs", "bucket-name", "path/to/model/")),
        (
            "AZURE_URI_FORMAT",
            "azure://container-name/path/to/model/",
            location("azure", "container-name", "path/to/model/"),
        ),
        ("PVC_URI_FORMAT", "pvc://pvc-name/path/to/model/", location("pvc", "pvc-name", "path/to/model/")),
        ("LOCAL_URI_FORMAT", "file:///path/to/model/", location("file", "/", "path/to/model/")),
        (
            "HTTP_URI_FORMAT",
            "https://example.com/model.tar.gz",
            location("https", "https://example.com", "model.tar.gz"),
        ),
        ("HF_URI_FORMAT", "hf://username/model-name", location("hf", "username/model-name")),
        ("MODELSCOPE_URI_FORMAT", "modelscope://username/model-name", location("modelscope", "username/model-name")),
        (
            "GIT_URI_FORMAT",
            "https://example.com/owner/repository.git",
            location("git+https", "https://example.com/owner/repository.git"),
        ),
        (
            "HDFS_URI_FORMAT",
            "webhdfs://namenode:9870/path/to/model/",
            location("webhdfs", "namenode:9870", "path/to/model/"),
        ),
    ],
)
def test_example_uris_of_the_api_specification(name: str, text: str, parsed: Location) -> None:
    assert FORMATS[name] == text
    assert parse(text) == parsed
    assert str(parsed) == (f"git+{text}" if parsed.scheme == "git+https" else text)


def test_supported_schemes() -> None:
    assert list(SUPPORTED_PROTOCOLS) == [
        "s3", "gs", "azure", "pvc", "file", "http", "https", "hf", "modelscope", "git+https", "git+http", "hdfs",
        "webhdfs", "swebhdfs", "oci",
    ]  # fmt: skip
    for scheme in SUPPORTED_PROTOCOLS:
        text = "file:///some/path" if scheme == "file" else f"{scheme}://some-name/some-path"
        assert parse(text).scheme == scheme
        assert parse(text.replace(scheme, scheme.upper(), 1)) == parse(text)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("s3://b", location("s3", "b")),
        ("s3://b/", location("s3", "b")),
        ("s3://Under_score.dots/k", location("s3", "Under_score.dots", "k")),
        (f"s3://{ARN}/iris/model.bin", location("s3", ARN, "iris/model.bin")),
        (f"s3://{ARN}", location("s3", ARN)),
        *((f"s3a://{arn}/{key}", location("s3", arn, key)) for arn in ARNS for key in ("a/b", "", "arn:aws:s3:::b/k")),
        ("s3://models-a1b2c3-s3alias/k", location("s3", "models-a1b2c3-s3alias", "k")),
        ("s3://models-a1b2c3--ol-s3/k", location("s3", "models-a1b2c3--ol-s3", "k")),
        ("s3://models--usw2-az1--x-s3/k", location("s3", "models--usw2-az1--x-s3", "k")),
        ("s3://models-a1b2c3--op-s3/k", location("s3", "models-a1b2c3--op-s3", "k")),
        ("gcs://b/k", location("gs", "b", "k")),
        ("s3a://b/k", location("s3", "b", "k")),
        ("S3N://b/k", location("s3", "b", "k")),
        ("file:/a%20b", location("file", "/", "a b")),
        ("FILE:/a", location("file", "/", "a")),
        ("file://LOCALHOST/a", location("file", "/", "a")),
        ("az://c0ntainer/k", location("azure", "c0ntainer", "k")),
        ("azure://$web/k", location("azure", "$web", "k")),
        (f"{BLOB}/box/a/b.bin", location("azure", "box", "a/b.bin", account="account.blob.core.windows.net")),
        (f"{BLOB}/box/a%20b%2Bc%3F", location("azure", "box", "a b+c?", account="account.blob.core.windows.net")),
        (f"{BLOB}/box", location("azure", "box", account="account.blob.core.windows.net")),
        (
            "https://account.blob.core.chinacloudapi.cn/box/k?sig=s",
            location("azure", "box", "k", account="account.blob.core.chinacloudapi.cn", query="sig=s"),
        ),
        (
            "https://account.z22.blob.storage.azure.net/box/k",
            location("azure", "box", "k", account="account.z22.blob.storage.azure.net"),
        ),
        ("pvc://claim", location("pvc", "claim")),
        ("hf://owner/name/config.json", location("hf", "owner/name", "config.json")),
        ("hf://owner/name/", location("hf", "owner/name")),
        ("hf://owner/name:main", location("hf", "owner/name", revision="main")),
        ("hf://owner/name:v1.0/onnx/model.onnx", location("hf", "owner/name", "onnx/model.onnx", revision="v1.0")),
        ("hf://owner/name:refs/pr/3/a/b", location("hf", "owner/name", "a/b", revision="refs/pr/3")),
        ("hf://owner/name/a:b", location("hf", "owner/name", "a:b")),
        ("hf://owner/name/a@b", location("hf", "owner/name", "a@b")),
        ("hf://owner/name@main", location("hf", "owner/name", revision="main")),
        ("hf://owner/name@main/", location("hf", "owner/name", revision="main")),
        ("hf://owner/name@v1.0/a@b/c:d", location("hf", "owner/name", "a@b/c:d", revision="v1.0")),
        ("hf://datasets/owner/name@main/a", location("hf", "owner/name", "a", revision="main", kind="datasets")),
        ("hf://owner/name@feature%2Fx/a%2Fb", location("hf", "owner/name", "a%2Fb", revision="feature/x")),
        ("hf://owner/name:feature%2fx", location("hf", "owner/name", revision="feature/x")),
        ("hf://owner/name@feature/x", location("hf", "owner/name", "x", revision="feature")),
        ("hf://owner/name@50%25", location("hf", "owner/name", revision="50%")),
        ("hf://owner/name@refs%2Fpr%2F1/a", location("hf", "owner/name", "a", revision="refs/pr/1")),
        ("hf://owner/name@refs/convert/parquet/a", location("hf", "owner/name", "a", revision="refs/convert/parquet")),
        ("hf://owner/name@a:b", location("hf", "owner/name", revision="a:b")),
        ("hf://owner/model:0123abc", location("hf", "owner/model", revision="0123abc")),
        ("hf://datasets/owner/name/data.csv", location("hf", "owner/name", "data.csv", kind="datasets")),
        ("hf://spaces/owner/name", location("hf", "owner/name", kind="spaces")),
        ("hf://models/owner/name", location("hf", "owner/name")),
        ("hf://gpt2", location("hf", "gpt2")),
        ("hf://gpt2:main/config.json", location("hf", "gpt2", "config.json", revision="main")),
        ("https://me:a%2Fb@host/m", location("https", "https://host", "m", login="me:a%2Fb")),
        ("https://me:a@b@host:1/m", location("https", "https://host:1", "m", login="me:a@b")),
        ("https://token@[::1]/m", location("https", "https://[::1]", "m", login="token")),
        ("http://@host/m", location("http", "http://host", "m")),
        ("modelscope://o/n:v1/a@b", location("modelscope", "o/n", "a@b", revision="v1")),
        ("modelscope://o/n@feature%2Fx", location("modelscope", "o/n", revision="feature/x")),
        ("modelscope://o/n/a:b?c", location("modelscope", "o/n", "a:b?c")),
        ("https://h/o/n.git/", location("git+https", "https://h/o/n.git")),
        ("https://h/o/n.git#feature/x", location("git+https", "https://h/o/n.git", revision="feature/x")),
        ("git+https://h/n.git/a%20b/c#v1", location("git+https", "https://h/n.git", "a b/c", revision="v1")),
        ("git+http://H:80/o/n//a.git/b", location("git+http", "http://h:80/o/n//a.git", "b")),
        ("git+http://h/o/n//a", location("git+http", "http://h/o/n", "a")),
        ("git+https://h/o/n", location("git+https", "https://h/o/n")),
        ("https://h.git/a", location("https", "https://h.git", "a")),
        ("https://h/n.git?x", location("https", "https://h", "n.git", query="x")),
        ("http://h/n.git", location("http", "http://h", "n.git")),
        ("hdfs://user/me/a b", location("hdfs", "", "user/me/a b")),
        ("hdfs:///user/me", location("hdfs", "", "user/me")),
        ("WEBHDFS://nn.example:9870/a?b#c", location("webhdfs", "nn.example:9870", "a?b#c")),
        ("swebhdfs://[::1]:9871/a", location("swebhdfs", "[::1]:9871", "a")),
        ("http://host:8080/a/b?x=1&y=%20", location("http", "http://host:8080", "a/b", query="x=1&y=%20")),
        ("http://host/a%20b//c/../d", location("http", "http://host", "a%20b//c/../d")),
        ("http://[::1]:80/x", location("http", "http://[::1]:80", "x")),
        ("https://EXAMPLE.com", location("https", "https://example.com")),
        ("file:///a%20b/c%23", location("file", "/", "a b/c#")),
        ("file://localhost/a", location("file", "/", "a")),
        ("file:///a+b", location("file", "/", "a+b")),
        ("file:///%FF", location("file", "/", "\udcff")),
        ("/a/./b/../c", location("file", "/", "a/c")),
        ("/a/b/", location("file", "/", "a/b/")),
        ("/a?b#c%20", location("file", "/", "a?b#c%20")),
        ("/", location("file", "/")),
    ],
)
def test_forms(text: str, parsed: Location) -> None:
    assert parse(text) == parsed


def test_local_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    here = str(tmp_path).lstrip("/")
    assert parse("model.bin").key == f"{here}/model.bin"
    assert parse("./models/").key == f"{here}/models/"
    assert parse("../x").key == f"{str(tmp_path.parent).lstrip('/')}/x"
    assert parse("~/model").key == f"{here}/home/model"
    assert parse("C:model").key == f"{here}/C:model"


@pytest.mark.parametrize("key", VERBATIM)
@pytest.mark.parametrize("scheme", ["s3", "gs", "azure", "pvc", "hf", "modelscope", "hdfs", "webhdfs"])
def test_keys_are_verbatim(scheme: str, key: str) -> None:
    root = {"hf": "owner/name", "modelscope": "owner/name", "hdfs": "", "webhdfs": "root:9870"}.get(scheme, "root")
    assert parse(f"{scheme}://{root}/{key}") == Location(scheme, root, key)
    assert str(Location(scheme, root, key)) == f"{scheme}://{root}/{key}"


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}[a-z0-9]", fullmatch=True)
REPOSITORIES = st.tuples(NAMES, NAMES).map("/".join)


@st.composite
def verbatim(draw: st.DrawFn) -> Location:
    scheme = draw(st.sampled_from(["s3", "gs", "azure", "pvc", "hf"]))
    if scheme != "hf":
        return Location(scheme, draw(NAMES), draw(TEXT))
    slashed = st.lists(NAMES | st.sampled_from(["a%2Fb", "%", "x@y", "refs", "pr"]), min_size=1, max_size=4).map(
        "/".join
    )
    revision = draw(st.none() | NAMES | NAMES.map("refs/pr/{}".format) | slashed)
    return Location(
        "hf",
        draw(REPOSITORIES),
        draw(TEXT),
        revision=revision,
        kind=draw(st.sampled_from(["models", "datasets", "spaces"])),
    )


@given(verbatim())
def test_location_round_trip(parsed: Location) -> None:
    assert parse(str(parsed)) == parsed


@given(
    st.lists(
        TEXT.filter(lambda text: text not in {"", ".", ".."}).map(lambda text: text.replace("/", "")),
        max_size=4,
    ),
    st.booleans(),
)
def test_local_path_round_trip(segments: list[str], directory: bool) -> None:
    path = "/" + "/".join(segment for segment in segments if segment not in {"", ".", ".."})
    parsed = parse(f"{path}/" if directory else path)
    assert str(parsed).startswith("file:///")
    assert str(parsed).isascii()
    assert parse(str(parsed)) == parsed
    assert get_storage_spec(str(parsed))["path"].rstrip("/") == path.rstrip("/")


@given(TEXT, st.sampled_from(["", ".git", "/.git", "/a.git/b"]), st.none() | NAMES | NAMES.map("feature/{}".format))
def test_git_round_trip(key: str, name: str, revision: str | None) -> None:
    parsed = parse(f"git+https://h/o{name}")
    there = dataclasses.replace(parsed, key=f"{parsed.key}{key}", revision=revision)
    assert parse(str(there)) == there


@given(TEXT)
def test_blob_url_round_trip(key: str) -> None:
    parsed = Location("azure", "container", key, account="account.blob.core.windows.net")
    assert parse(str(parsed)) == parsed


PIECES = st.sampled_from(
    [
        *(f"{scheme}://" for scheme in (*SUPPORTED_PROTOCOLS, "abfss", "wasb", "az", "gcs", "s3a", "S3", "ftp")),
        "file:", "owner", "box", "models", "datasets", "refs", "pr", "arn:aws:s3:", "123456789012", ":accesspoint",
        "localhost", "models.blob.core.windows.net", "models.dfs.core.windows.net", ".privatelink", "-secondary",
        "[::1]", "xn--a", "/", ":", "@", "?", "#", "%", "%2F", "%25", "%00", "%FF", ".", "..", "~", " ", "\n", "\0",
        "\\", "sig=", "&", "ß", "\udc80", "\ud800", "\u3002", "\u00e9",
    ]
)  # fmt: skip


@given(st.text(max_size=30) | st.lists(PIECES | st.text(max_size=3), max_size=9).map("".join))
def test_any_text_is_a_location_or_an_invalid_uri(text: str) -> None:
    """Parsing the text of a location yields the same location, except for the query."""
    try:
        parsed = parse(text)
    except InvalidURI as error:
        assert str(error)
        return
    assert parsed.scheme in SUPPORTED_PROTOCOLS
    assert parse(str(parsed)) == dataclasses.replace(parsed, query="", login="")
    assert get_storage_spec(text)["type"] == parsed.scheme


@given(
    st.sampled_from([*SUPPORTED_PROTOCOLS, "abfss", "az", "s3a", "hf://datasets", "ftp"]),
    st.lists(PIECES.filter(lambda piece: not set(piece) & set("/?#")), max_size=3).map("".join),
    st.lists(PIECES, max_size=4).map("".join),
)
def test_passwords_are_never_shown(scheme: str, user: str, rest: str) -> None:
    text = f"{scheme}{'/' if '://' in scheme else '://'}u{user}:{SECRET}@{rest}"
    try:
        parsed = parse(text)
    except InvalidURI as error:
        assert SECRET not in f"{error!s} {error!r} {error.uri} {error.hint}"
    else:  # a login of a URL
        assert SECRET in parsed.login
        assert SECRET not in f"{parsed!s} {parsed!r}"


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("s3://b/k?x", {"type": "s3", "bucket": "b", "path": "k?x"}),
        ("gs://b/k/", {"type": "gs", "bucket": "b", "path": "k/"}),
        ("azure://box/k", {"type": "azure", "container": "box", "path": "k"}),
        (f"{BLOB}/box/k", {"type": "azure", "container": "box", "account": "account", "path": "k"}),
        ("pvc://claim/k", {"type": "pvc", "pvc_name": "claim", "path": "k"}),
        ("file:///a%20b", {"type": "file", "path": "/a b"}),
        ("/a/b/", {"type": "file", "path": "/a/b/"}),
        ("http://host/a?b", {"type": "http", "host": "host", "port": 80, "path": "a"}),
        ("https://host:8443/a", {"type": "https", "host": "host", "port": 8443, "path": "a"}),
        ("https://host/a", {"type": "https", "host": "host", "port": 443, "path": "a"}),
        ("hf://o/n", {"type": "hf", "repo_id": "o/n", "repo_type": "model", "revision": None, "path": ""}),
        ("modelscope://o/n:v1/f", {"type": "modelscope", "repo_id": "o/n", "revision": "v1", "path": "f"}),
        ("https://h/n.git", {"type": "git+https", "repo_url": "https://h/n.git", "revision": None, "path": ""}),
        ("hdfs://user/me", {"type": "hdfs", "namenode": None, "path": "user/me"}),
        (
            "hf://datasets/o/n:v1/f",
            {"type": "hf", "repo_id": "o/n", "repo_type": "dataset", "revision": "v1", "path": "f"},
        ),
    ],
)
def test_storage_spec(text: str, spec: dict[str, Any]) -> None:
    assert get_storage_spec(text) == spec


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("/a", True), ("a", True), ("file:///a", True), ("pvc://claim/a", True), ("s3://b/k", False),
        ("gs://b/k", False), ("azure://box/k", False), ("http://h/k", False), ("https://h/k", False),
        ("hf://o/n", False),
    ],
)  # fmt: skip
def test_is_local(text: str, local: bool) -> None:
    assert is_local(text) is local


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the storage URI is empty"),
        (None, "a storage URI must be a str or a path, not NoneType"),
        (b"s3://b/k", "a storage URI must be a str or a path, not bytes"),
        ("s3://b/a\0b", "cannot contain a NUL"),
        ("ftp://host/x", "unknown scheme ftp://"),
        ("s3://", "the bucket name is missing"),
        ("s3:///key", "the bucket name is missing"),
        ("s3://../other/key", "'..' is not a valid bucket name"),
        ("gs://./key", "'.' is not a valid bucket name"),
        ("s3://bad bucket/key", "'bad bucket' is not a valid bucket name"),
        ("s3://b?x/key", "'b?x' is not a valid bucket name"),
        ("gs:///key", "the bucket name is missing"),
        ("azure:///key", "the container name is missing"),
        ("azure://Upper/key", "'Upper' is not a valid container name"),
        (f"{BLOB}/", "the container name is missing"),
        (f"{BLOB}/con%2Ftainer/k", "'con/tainer' is not a valid container name"),
        (f"{BLOB}/box/%FF", "percent-encoded UTF-8"),
        ("pvc:///x", "the claim name is missing"),
        ("pvc://Claim/x", "'Claim' is not a valid claim name"),
        ("modelscope://owner", "not a valid ModelScope repository"),
        ("modelscope://owner/..", "not a valid ModelScope repository"),
        ("modelscope://owner/name:a..b", "the revision is not a valid Git name"),
        ("git+https://host", "the path of the repository is missing"),
        ("git+https://host/n.git?x", "has no query"),
        ("https://host/n.git#a..b", "the revision is not a valid Git name"),
        ("git+https://host/n.git/%FF", "the path is not UTF-8"),
        ("webhdfs://host:x/a", "'host:x' is not a valid host and port"),
        ("hf://", "is not a valid repository name"),
        ("hf://owner/na me", "'owner/na me' is not a valid repository name"),
        ("hf://owner/..", "'owner/..' is not a valid repository name"),
        ("hf://gpt2//config.json", "'gpt2/' is not a valid repository name"),
        ("hf://owner/name:", "the revision after the ':' is empty"),
        ("hf://owner/name:/x", "the revision after the ':' is empty"),
        ("hf://owner/name@/x", "the revision after the '@' is empty"),
        ("hf://owner/name@a b", "the revision is not a valid Git name"),
        ("hf://owner/name@../x", "the revision is not a valid Git name"),
        ("hf://owner/name:..", "the revision is not a valid Git name"),
        ("hf://owner/name@a%2F..%2Fb", "the revision is not a valid Git name"),
        ("hf://owner/name@.", "the revision is not a valid Git name"),
        ("hf://owner/name@refs/pr/..", "the revision is not a valid Git name"),
        ("hf://owner/name@%2Fa", "the revision is not a valid Git name"),
        ("hf://owner/name@%FF", "the revision is not a valid Git name"),
        ("hf://owner/name@a%00", "the revision is not a valid Git name"),
        ("hf://owner/name@a\udc80", "the revision is not a valid Git name"),
        ("hf://gpt2@main", "credentials do not belong in a URI"),
        ("hf://datasets/gpt2@main/x", "credentials do not belong in a URI"),
        ("hf://buckets/owner/name", "hf://buckets/ is not a supported repository kind"),
        ("hf://kernels/owner/name", "supported: models, datasets and spaces"),
        ("hf://dataset/owner/name", "write hf://datasets/"),
        ("s3:/bucket/key", "a slash is missing after s3: (s3://…, or ./s3:… for a local file)"),
        ("s3:bucket/key", "a slash is missing after s3:"),
        ("HF:owner/name", "a slash is missing after hf:"),
        ("abfss:/c/k", "a slash is missing after abfss:"),
        ("https:/host/x", "a slash is missing after https:"),
        ("file:x", "a slash is missing after file:"),
        ("s3://arn:aws:s3:::bucket/key", "a bucket ARN cannot be used in a URI (s3://bucket/key)"),
        ("s3://arn:aws:s3:us-west-2:123:accesspoint/name/key", "not a valid access point ARN"),
        ("s3://arn:aws:s3:us-west-2:123456789012:bucket/name/key", "s3://arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME"),
        ("s3://arn:aws:s3:us-west-2:123456789012:accesspoint//key", "not a valid access point ARN"),
        (
            "s3://arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/bucket/name/key",
            "not a valid access point ARN",
        ),
        ("s3://arn:gcp:s3:us-west-2:123456789012:accesspoint/name/key", "not a valid access point ARN"),
        ("file://host/x", "a file URI cannot name a host, but this one names 'host'"),
        ("file://localhost", "the path is missing"),
        ("file:///a?b", "a file URI cannot have a query"),
        ("file:///a#b", "a file URI cannot have a fragment"),
        ("file:///a%00", "cannot contain a NUL"),
        ("http://", "the host is missing"),
        ("https:///x", "the host is missing"),
        ("http://host/a b", "a URL cannot contain ' '"),
        ("http://host/a\nb", "a URL cannot contain"),
        ("http://host:port/", "cannot parse the host or port"),
        ("http://host:99999/", "cannot parse the host or port"),
        ("http://[::1/x", "cannot parse the host or port"),
        (f"https://user:word@{BLOB.removeprefix('https://')}/box/k", "credentials do not belong in a URL"),
        ("https://user:%ff@host/x", "the user or the password is not UTF-8"),
        ("s3://access:word@bucket/key", "credentials do not belong in a URI"),
        ("hf://user:word@owner/name", "credentials do not belong in a URI"),
    ],
)
def test_invalid_uris(text: Any, reason: str) -> None:
    with pytest.raises(InvalidURI) as caught:
        parse(text)
    assert reason in str(caught.value)
    assert isinstance(caught.value, InvalidInput)
    for function in (is_local, get_storage_spec):
        with pytest.raises(InvalidURI):
            function(text)


SECRET = "Pa55word"
SECRETIVE = [
    f"https://host/model.bin?sig={SECRET}",
    f"{BLOB}/box/k?sv=2024&sig={SECRET}",
    f"http://host:port/x?sig={SECRET}",
    f"http://host/a b?sig={SECRET}&mail=a@b",
    f"http://host:80/a b?mail=a@b&sig={SECRET}",
    f"ftp://host/x?sig={SECRET}",
    f"{BLOB}/?sig={SECRET}",
    f"https://host/x?a\0&sig={SECRET}",
    *(
        f"{scheme}://{user}@host/x{tail}"
        for scheme in ("http", "https", "ftp", "s3", "gs", "azure", "pvc", "file", "hf", "S3", "az")
        for user in (f"user:{SECRET}", f"user:a@{SECRET}", f"user:a/{SECRET}", f"user:a/b@{SECRET}", f"{SECRET}")
        for tail in ("", " y", "?a=b", "\0")
    ),
    f"http://user:a?{SECRET}@host/",
    f"http://user:a#{SECRET}@host/",
    f"http://user:{SECRET}\u2100@host/",
    f"http://user:{SECRET}@[host/",
]


@pytest.mark.parametrize("text", SECRETIVE)
def test_secrets_are_never_shown(text: str) -> None:
    try:
        parsed = parse(text)
    except InvalidURI as error:
        shown = "".join(traceback.format_exception(error)) + f"{error!r} {error.uri} {error.hint} {error.__cause__}"
    else:
        shown = f"{parsed} {parsed!r}"
    assert SECRET not in shown


def test_location_properties() -> None:
    parsed = parse("s3://b/iris/model.bin")
    assert parsed.at("other") == Location("s3", "b", "other")
    assert parsed.name == "model.bin"
    assert parse("s3://b/iris/").name == "iris"
    assert parse("s3://b").name == ""
