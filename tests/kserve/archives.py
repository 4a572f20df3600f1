"""Archives of the world."""

import io
import tarfile
import zipfile

__all__ = ["TAR", "ZIP", "linked", "tar", "zipped"]


def tar(mode: str = "w:gz", **files: bytes) -> bytes:
    """A tar archive; in the names of files, "_" stands for "."."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name.replace("_", "."))
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def zipped(**files: bytes) -> bytes:
    """A zip archive, named likewise."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("_", "."), data)
    return buffer.getvalue()


def linked(target: str, name: str) -> bytes:
    """A tar archive with model.bin, and a symbolic link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        file, link = tarfile.TarInfo("model.bin"), tarfile.TarInfo(name)
        file.size, link.type, link.linkname = 7, tarfile.SYMTYPE, target
        archive.addfile(file, io.BytesIO(b"weights"))
        archive.addfile(link)
    return buffer.getvalue()


TAR = tar(model_bin=b"of the tar", config_json=b"{}")
ZIP = zipped(model_bin=b"of the zip")
