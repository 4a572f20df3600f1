import asyncio, re, traceback
import anyio, pytest
from sealift import *
from sealift.types import MiB
from tests.api.directory import *
from tests.api.servers import pattern, FakeS3, Reply, failure
from tests.api.test_multi_region import ARN, ALIAS, HOST
from tests.api.test_credentials import access_key
from tests.api.writable import WritableS3
pytestmark = pytest.mark.anyio

def frames(e):
    te = traceback.TracebackException.from_exception(e, capture_locals=True)
    out = []
    while te:
        out += [f"{f.filename}:{f.lineno} {k}={v}" for f in te.stack for k, v in (f.locals or {}).items() if "/sealift/" in f.filename]
        te = te.__cause__ or te.__context__
    return out

async def test_locals(tmp_path):
    with FakeS3({"models": {}}) as f:
        environ = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "CANARY1", "AWS_SESSION_TOKEN": "CANARY2", "AWS_ENDPOINT_URL": f.endpoint}
        for uri in ("s3://models/m", "s3://none/x"):
          for file in (False, True):
            if file: 
                (tmp_path / "c").write_text("[default]\n"); environ["AWS_CONFIG_FILE"] = str(tmp_path / "c")
            for call in ("read", "download", "list_objects"):
                with pytest.raises(StorageError) as e:
                    a = (uri, tmp_path / "x") if call == "download" else (uri + ("/" if call == "list_objects" else ""),)
                    await getattr(AsyncStorage(environ=environ), call)(*a)
                bad = [x[:200] for x in frames(e.value) if "CANARY" in x]
                print(call, bad); assert not bad

@pytest.mark.parametrize("kind", ["general", "directory", "mrap"])
async def test_sync_twice(tmp_path, kind):
    (tmp_path / "model").mkdir(); (tmp_path / "model/a").write_bytes(b"a"); (tmp_path / "model/s").write_bytes(b"s")
    environ = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    if kind == "directory": server, uri = DirectoryS3(), f"s3://{BUCKET}/x/"
    else: server, uri = WritableS3(ALIAS), f"s3://{ARN}/x/" if kind == "mrap" else f"s3://{ALIAS}/x/"
    with server as f:
        c = f.config if kind != "mrap" else S3Config("AKIAUSER", "s", use_ssl=False)
        environ["HTTP_PROXY"] = f.endpoint; environ["NO_PROXY"] = "127.0.0.1"
        async with AsyncStorage(environ=environ) as st:
            for n in range(3):
                f.asked.clear()
                r = await st.sync(str(tmp_path / "model"), uri, dest_config=c)
                print(kind, "up", r)
                assert r.kept == (2 if n else 0)
            for n in range(3):
                r = await st.sync(uri, str(tmp_path / "down"), c)
                print(kind, "down", r)
                assert r.kept == (2 if n else 0)

async def test_copies_between_kinds(tmp_path):
    """general -> directory -> mrap -> general, one proxy each"""
    G = "general-bucket"
    with DirectoryS3() as d, WritableS3(ALIAS, G) as w:
        w.objects[G] = {"p/a": b"a", "p/l": pattern(3 * MiB)}; d.objects[BUCKET] = {}
        mc = S3Config("AKIAUSER", "s", use_ssl=False)
        gc = w.config
        environ = {"HTTP_PROXY": w.endpoint, "NO_PROXY": "127.0.0.1"}
        async with AsyncStorage(Limits(part_size=5 * MiB), environ=environ) as st:
            await st.copy(f"s3://{G}/p/", f"s3://{BUCKET}/p/", gc, d.config)
            await st.copy(f"s3://{BUCKET}/p/", f"s3://{ARN}/p/", d.config, mc)
            await st.copy(f"s3://{ARN}/p/", f"s3://{G}/q/", mc, gc)
            await st.copy(f"s3://{G}/q/", f"s3://{ARN}/z/", mc, mc)
            await st.copy(f"s3://{ARN}/z/", f"s3://{G}/y/", mc, mc)
            with pytest.raises(StorageError) as e:
                await st.copy(f"s3://{ARN}/z/", f"s3://{ARN.replace('accesspoint/', 'accesspoint:')}/z/y/", mc, mc)
            print(e.value)
        for q in "pq": assert w.objects[G][f"{q}/l"] == pattern(3 * MiB)
        assert d.objects[BUCKET].keys() == {"p/a", "p/l"}
        print(w.objects[ALIAS].keys(), w.objects[G].keys(), [a.target for a in w.asked if "x-amz-copy-source" in a.headers])

async def test_hundreds(tmp_path):
    """two instances, two tenants, hundreds of calls at once, express and general; while process env is poisoned"""
    with DirectoryS3() as d1, DirectoryS3() as d2, FakeS3({"models": {"m": b"one"}}) as a, FakeS3({"models": {"m": b"two"}}) as b:
        for d, t in ((d1, b"one"), (d2, b"two")): d.objects[BUCKET] = {"m": t}
        for file in (False, True):
            sts = []
            for n, (g, d) in enumerate(((a, d1), (b, d2))):
                def env(server, key, secret, token):
                    e = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token, "AWS_REGION": REGION, "AWS_ENDPOINT_URL": server.endpoint}
                    if file:
                        (tmp_path / "c").write_text("[default]\n"); e["AWS_CONFIG_FILE"] = str(tmp_path / "c")
                    return e
                sts.append((AsyncStorage(environ=env(g, f"AKIA{n}", "s", "t")), "s3://models/m", (b"one", b"two")[n]))
                sts.append((AsyncStorage(environ=env(d, *IAM, IAM_TOKEN)), f"s3://{BUCKET}/m", (b"one", b"two")[n]))
            async def one(st, uri, want):
                assert await st.read(uri) == want
            async with anyio.create_task_group() as tg:
                for i in range(400): tg.start_soon(one, *sts[i % 4])
        assert {access_key(x) for x in a.asked} == {"AKIA0"} and {access_key(x) for x in b.asked} == {"AKIA1"}
        print(d1.created, d2.created, len(d1.asked))
