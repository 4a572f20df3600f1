"""Run one transfer, for a test that kills it: `python -m tests.faults.victim VERB FROM TO PART IN_FLIGHT`.

Credentials and endpoints come from the environment.
"""

import asyncio
import sys

from sealift import AsyncStorage, Limits


async def main(verb: str, source: str, target: str, part: int, in_flight: int) -> None:
    storage = AsyncStorage(Limits(part_size=part, memory=part * in_flight))
    await (storage.download if verb == "download" else storage.upload)(source, target)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4], *map(int, sys.argv[4:])))  # type: ignore[arg-type]
