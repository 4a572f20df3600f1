"""Keys that are paths without empty and dot segments. No I/O."""

__all__ = ["is_plain_path"]


def is_plain_path(key: str) -> bool:
    """Check whether a key is a path as Git and HDFS allow it: valid UTF-8, without "", "." and ".." as a segment.

    Backends do not request other paths: a server might resolve "..".

    Example:
        >>> [is_plain_path(key) for key in ("a/b", "a//b", "a/../b", "")]
        [True, False, False, False]
    """
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return not {"", ".", ".."} & set(key.split("/"))
