"""CRCs at memory speed. Apart from `checksums`, so that a worker process imports little."""

from . import crc_library

__all__ = ["extend_crc"]


def extend_crc(algorithm: str, data: memoryview | bytes, previous: int = 0) -> int:
    """Compute a CRC, continuing from that of the bytes before.

    Args:
        algorithm: "crc32", "crc32c" or "crc64nvme".
        data: The bytes.
        previous: The CRC of the bytes before; 0: there are none.

    Example:
        >>> extend_crc("crc32c", b"56789", extend_crc("crc32c", b"1234")) == int("e3069283", 16)
        True
    """
    crc, _ = crc_library.load()[algorithm]
    return crc(data, previous)
