"""What event loops share ends with them, without a warning, a thread or a socket left; see `loop_resources`."""

from pathlib import Path

import pytest

from tests.api.servers import FakeS3
from tests.facade.scripts import run

PROGRAM = """
        import asyncio, gc, time
        from sealift import AsyncStorage

        async def get(key="small", dest="dest"):
            await AsyncStorage().download(f"s3://b/{key}", HERE / dest, config=config)

        def left():
            gc.collect()
            for thread in threading.enumerate():
                if thread.name.startswith("sealift"):
                    thread.join(10)
            descriptors = [Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd")]
            targets = [str(path.readlink()) for path in descriptors if path.is_symlink()]
            return (
                [thread.name for thread in threading.enumerate() if thread.name.startswith("sealift")],
                [target for target in targets if target.startswith("socket:")],
            )
"""

ENDINGS = {
    "asyncio.run": """
        asyncio.run(get())
        asyncio.run(get())
        say(left())
    """,
    "anyio": """
        import anyio
        anyio.run(get)
        anyio.run(get, backend_options={"use_uvloop": True})
        say(left())
    """,
    "a task that goes on": """
        async def main():
            task = asyncio.create_task(get("large", "never"))
            await get()
            while not os.path.exists(HERE / ".sealift"):
                await asyncio.sleep(0.01)
        asyncio.run(main())
        say(left())
    """,
    "a storage that nobody closes": """
        async def main():
            storage = await AsyncStorage().__aenter__()
            await storage.download("s3://b/small", HERE / "dest", config=config)
        asyncio.run(main())
        say(left())
    """,
    "a stream that is left": """
        async def main():
            async for _ in AsyncStorage().stream("s3://b/large", config=config):
                break
        asyncio.run(main())
        say(left())
    """,
    "a stream and a listing that are kept": """
        kept = []
        async def main():
            storage = AsyncStorage()
            for items in (storage.stream("s3://b/large", config=config), storage.list("s3://b/", config=config)):
                kept.append(items)
                await anext(items)
        asyncio.run(main())
        say(left())
    """,
    "a listing that is left": """
        async def main():
            async for _ in AsyncStorage().list("s3://b/", config=config):
                break
        asyncio.run(main())
        say(left())
    """,
    "a loop for each test": """
        for _ in range(5):
            with asyncio.Runner() as runner:
                runner.run(get())
                runner.run(get())
            say(*left()) if left() != ([], []) else None
        say(left())
    """,
    "one storage in one loop after the other": """
        storage = AsyncStorage()
        for number in range(3):
            asyncio.run(storage.download("s3://b/small", HERE / f"dest{number}", config=config))
        async def block():
            async with storage:
                await storage.download("s3://b/small", HERE / "block", config=config)
        asyncio.run(block())
        threads = [threading.Thread(target=lambda: asyncio.run(block())) for _ in range(3)]
        for thread in threads:  # one at a time
            thread.start()
            thread.join()
        say(left())
    """,
    "a loop closed without cleanup": """
        loop = asyncio.new_event_loop()
        loop.run_until_complete(get())
        loop.close()
        asyncio.run(get())
        say(left())
    """,
    "the exit after a loop closed without cleanup": """
        loop = asyncio.new_event_loop()
        loop.run_until_complete(get())
        loop.close()
        say(([], []))
    """,
    "a loop in another thread": """
        threads = [threading.Thread(target=lambda: asyncio.run(get(dest=f"dest{number}"))) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        say(left())
    """,
    "a forked child": """
        async def main():
            await get()
            pid = os.fork()
            if not pid:
                try:
                    thread = threading.Thread(target=lambda: asyncio.run(get("small", "child")))
                    thread.start()
                    thread.join()
                    status = 0 if (HERE / "child").exists() and not left()[0] else 3
                except BaseException as error:
                    say(repr(error))
                    status = 4
                os._exit(status)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            await get(dest="again")
            return status
        status = asyncio.run(main())
        say(left() if not status else status)
    """,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_left(server: FakeS3, here: Path, ending: str) -> None:
    assert run(PROGRAM + ENDINGS[ending], here, server) == (0, ["([], [])"], "")
