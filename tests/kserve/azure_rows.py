"""Situations with Azure Blob Storage; see `rows.py`."""

from tests.kserve.archives import TAR
from tests.kserve.bucket_rows import ALIKE, EMPTY, IRIS, LINKED, TARRED
from tests.kserve.row import Row
from tests.kserve.world import WHOLE

__all__ = ["AZURE_ROWS"]

_NO_KEY = {"AZURE_STORAGE_ACCESS_KEY": ""}
AZURE_ROWS = [
    Row("a prefix on Azure", "{azure}/iris/", IRIS, better=ALIKE),
    Row("a prefix on Azure without a slash at its end", "{azure}/iris", IRIS, better=ALIKE),
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
    Row("an empty file on Azure", "{azure}/empty-file", {"config": b"", "w.bin": b"weights"}, better=EMPTY),
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
    Row("a whole container", "{azure_root}/", WHOLE),
    Row("a whole container without a slash", "{azure_root}", WHOLE, better="fails"),
    Row("a public container without a key", "{azure_public}/", WHOLE, environ=_NO_KEY),
    Row("names that need care on Azure", "{azure}/odd/", {"with space+plus%41.bin": b"odd", "ünï.bin": b"unicode"}),
    Row("an object whose name needs care on Azure", "{azure}/odd/with space+plus%41.bin",
        {"with space+plus%41.bin": b"odd"}),
    Row("a name in Unicode on Azure", "{azure}/odd/ünï.bin", {"ünï.bin": b"unicode"}),
    Row("a name that is percent-encoded on Azure", "{azure}/odd/%C3%BCn%C3%AF.bin", {"ünï.bin": b"unicode"},
        better="fails: takes the escapes for a part of the name"),
    Row("a name with another % on Azure", "{azure}/odd/with%20space+plus%2541.bin", {"with space+plus%41.bin": b"odd"},
        better="fails: takes the escapes for a part of the name"),
    Row("empty segments on Azure", "{azure}/doubled/", {"sub/model.bin": b"weights"}),
    Row("empty lists of patterns on Azure", "{azure}/two/", {"a.tar.gz": TAR, "b.bin": b"beside it"},
        allow=[], ignore=[]),
    Row("patterns of the environment on Azure", "{azure}/two", {"b.bin": b"beside it"},
        environ={"STORAGE_ALLOW_PATTERNS": "*.bin"}),
    Row("a pattern that ends in a slash on Azure", "{azure}/doubled", error="No model found in", allow=["sub/"]),
    Row("everything excluded on Azure", "{azure}/two", error="No model found in", ignore=["*"]),
    Row("an archive of bzip2 on Azure", "{azure}/bzip2", {"model.bin": b"of bzip2"}),
    Row("a checkpoint of PyTorch on Azure", "{azure}/checkpoint", {"model.pth.tar": b"PK of PyTorch"},
        better="takes it for an archive, and fails"),
    Row("the marker of a directory on Azure", "{azure}/marked/", {"w.bin": b"weights"}),
    Row("nothing but a marker on Azure", "{azure}/only-marker", error="No model found in"),
    Row("a file and a directory of the same name on Azure", "{azure}/clash", error="clash/a"),
    Row("a link in an archive on Azure", "{azure}/linked", error="symbolic link", better=LINKED),
    Row("a relative directory for Azure", "{azure}/one", {"model.bin": b"weights"}, out_dir="~/out"),
    Row("files that exist, for Azure", "{azure}/one", {"model.bin": b"weights", "other": b"other"},
        before={"model.bin": b"old", "other": b"other"}),
    Row("a container that does not exist", "{azure}-gone/one", error="-gone"),
    Row("a signature that is not valid", "{azure}/one?sv=2022-11-02&sig=wrong", error="blob.core", environ=_NO_KEY),
    Row("a signature in the URL, and a key", "{azure}/one?{azure_sas}", {"model.bin": b"weights"}),
]  # fmt: skip
