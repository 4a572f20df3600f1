"""The checksum that HDFS computes of a file: GETFILECHECKSUM.

https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/WebHDFS.html#Get_File_Checksum
"""

import json
import re

from ...integrity import hdfs_checksum
from ...wire import Response

__all__ = ["parse"]

_MD5_OF_MD5 = re.compile(r"MD5-of-(\d{1,12})MD5-of-(\d{1,9})(CRC32C?)")
_MD5_BYTES = re.compile(r"[0-9a-f]{24}([0-9a-f]{32})[0-9a-f]*")
_CRC_BYTES = re.compile(r"([0-9a-f]{8})[0-9a-f]*")
_CRC_NAMES = {"CRC32": "crc32", "CRC32C": "crc32c"}


def parse(reply: Response) -> dict[str, str]:
    """Parse the checksum of a file.

    Returns:
        Algorithm → digest, as in `ObjectInfo.checksums`; {} if it is of a kind that is not known.

    Example:
        >>> parse(Response(200, [], b'{"FileChecksum": {"algorithm": "COMPOSITE-CRC32C", "bytes": "e3069283"}}'))
        {'crc32c': 'e3069283'}
    """
    try:
        found = json.loads(reply.body)["FileChecksum"]
        algorithm, digest = str(found["algorithm"]), str(found["bytes"]).lower()
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    # As many bytes as `length` says: older servers fill the text with zeros.
    if (combined := _CRC_NAMES.get(algorithm.removeprefix("COMPOSITE-"))) and (matched := _CRC_BYTES.fullmatch(digest)):
        return {combined: matched[1]} if algorithm.startswith("COMPOSITE-") else {}
    kind, md5 = _MD5_OF_MD5.fullmatch(algorithm), _MD5_BYTES.fullmatch(digest)
    if kind is None or md5 is None or int(kind[2]) == 0:  # no chunks: an empty file
        return {}
    return {hdfs_checksum.name(_CRC_NAMES[kind[3]], int(kind[2]), int(kind[1])): md5[1]}
