"""Download with sealift, as a program that needs a model does.

`sealift_download.py URI DEST [--unverified] [--processes N]`; N is the number of worker processes.
"""

import sys

from sealift import Storage


def download_with_processes(uri: str, dest: str, count: int) -> None:
    import asyncio

    from sealift import AsyncStorage, Limits

    async def main() -> None:
        # This script is also run with versions that do not have this limit yet.
        await AsyncStorage(Limits(processes=count)).download(uri, dest)

    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())


if "--processes" in sys.argv:
    download_with_processes(sys.argv[1], sys.argv[2], int(sys.argv[-1]))
else:
    Storage.download(sys.argv[1], sys.argv[2], verify="--unverified" not in sys.argv)
