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


# Objects and results that are open when their loop ends; with a safetensors file of two tensors.
OPEN = """
        import gc, json, struct, warnings
        entry = {"dtype": "U8", "shape": [9]}
        header = {"a": {**entry, "data_offsets": [0, 9]}, "b": {**entry, "data_offsets": [9, 18]}}
        text = json.dumps(header).encode()
        (HERE / "x.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(18))
        storage = AsyncStorage()
        kept = []

        async def reading():
            kept.append(await storage.open("s3://b/small", config=config))
            await kept[-1].read(1)

        async def writing():
            kept.append(await storage.open("s3://b/written", "wb", config=config))
            await kept[-1].write(b"x")

        async def tensors():
            kept.append(await storage.tensors(HERE / "x.safetensors"))
            await kept[-1].load()

        async def iterating():
            kept.append(await storage.tensors(HERE / "x.safetensors"))
            async for _ in kept[-1]:
                break

        async def keeping_the_iterator():
            kept.append(await storage.tensors(HERE / "x.safetensors"))
            kept.append(aiter(kept[-1]))
            await anext(kept[-1])

        async def broken_off(results):
            async for _ in results:
                break

        async def kept_after(results):
            kept.append(results)
            await broken_off(results)

        def listing():
            return storage.list("s3://b/n/", config=config)

        def streaming():
            return storage.stream("s3://b/large", config=config)
"""


@pytest.mark.parametrize("use", ["reading", "writing", "tensors", "iterating", "keeping_the_iterator"])
def test_an_object_that_is_left_open(server: FakeS3, here: Path, use: str) -> None:
    """It ends with its loop, without a word of asyncio; a warning says what was not closed."""
    program = f"""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            asyncio.run({use}())
            kept.clear()
            gc.collect()
        say([str(warning.message).partition(" '")[0] for warning in caught])
        say(left())
    """
    expected = ["['unclosed file']", "([], [])"]
    assert run(PROGRAM + OPEN + program, here, server) == (0, expected, "")


@pytest.mark.parametrize("results", ["listing()", "streaming()"])
@pytest.mark.parametrize("end", ["broken_off", "kept_after"])
def test_results_that_nobody_has_read_to_the_end(server: FakeS3, here: Path, end: str, results: str) -> None:
    """As after a `break`: nothing is said, since nobody can close what such a loop leaves."""
    program = f"""
        asyncio.run({end}({results}))
        say(left())
    """
    assert run(PROGRAM + OPEN + program, here, server) == (0, ["([], [])"], "")
