import asyncio, logging, json, os, traceback, gc
import anyio
import pytest
from sealift import *
from sealift.types import MiB
from tests.api.directory import *
from tests.api.helpers import texts_of
from tests.api.servers import pattern, FakeS3, Reply, failure
from tests.api.test_multi_region import ARN, ALIAS, HOST
from tests.api.test_identity import *
from tests.api import test_identity as ti
from tests.api.writable import WritableS3
from tests.security.listening import listening, Heard
pytestmark = pytest.mark.anyio
poison = pytest.fixture(lambda: None)
LARGE = pattern(12 * MiB)

def vars_of(): 
    for o in gc.get_objects():
        if str(getattr(type(o), "__module__", "")).startswith("sealift"):
            try: yield repr(o)
            except Exception as e: yield f"{type(o)}: {e}"

async def round(heard, uri, config, wrong, environ, tmp_path):
    (tmp_path / "model").mkdir(); (tmp_path / "model/large").write_bytes(LARGE); (tmp_path / "model/s").write_bytes(b"s")
    loop = asyncio.get_running_loop()
    n = 0
    async def attempt(call):
        try: heard.add("result", await call)
        except StorageError as e:
            heard.add("error", *texts_of(e))
            heard.add("te", "".join(traceback.TracebackException.from_exception(e, capture_locals=True).format()))
            logging.getLogger("prog").exception("failed")
    loop.set_debug(True); loop.slow_callback_duration = 0.0
    try:
        for c in (config, wrong):
            async with AsyncStorage(Limits(part_size=5 * MiB, attempts=1), environ=environ) as st:
                await attempt(st.upload(tmp_path / "model", uri + "p/", c))
                await attempt(st.list_objects(uri + "p/", c))
                await attempt(st.download(uri + "p/", tmp_path / f"d{n}", c)); n += 1
                await attempt(st.copy(uri + "p/s", uri + "q", c, c))
                await attempt(st.sync(str(tmp_path / "model"), uri + "sy/", dest_config=c))
                await attempt(st.sync(str(tmp_path / "model"), uri + "sy/", dest_config=c))
                await attempt(st.get_object_metadata(uri + "p/none", c))
                await attempt(st.delete(uri + "p/", c, recursive=True))
                for t in vars_of(): heard.add("repr", t)
    finally: loop.set_debug(False)

CAN = "CANARYSECRET"
def check(heard, secrets):
    print(len(heard.texts), {w for w, _ in heard.texts})
    bad = heard.shown(secrets)
    for b in bad[:12]: print(b[:600])
    te = [b for b in bad if b.startswith("te:")]
    print("locals only:", len(te), "other:", len(bad) - len(te))
    print([t for w, t in heard.texts if w == "result"][:20])
    assert len(bad) == len(te)

async def test_directory(tmp_path):
    with DirectoryS3() as f, listening() as heard:
        f.objects[BUCKET] = {}
        wrong = S3Config(IAM[0], CAN, session_token=CAN + "t", region=REGION, endpoint_url=f.endpoint)
        await round(heard, f"s3://{BUCKET}/", f.config, wrong, {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}, tmp_path)
        for p in (tmp_path / "state").rglob("*"):
            if p.is_file(): heard.add("state", p.read_bytes().decode("latin-1"))
    check(heard, [*f.secrets, CAN])

async def test_mrap(tmp_path):
    with WritableS3(ALIAS) as f, listening() as heard:
        ok = S3Config("AKIAUSER", CAN, session_token=CAN + "t", use_ssl=False)
        await round(heard, f"s3://{ARN}/", ok, ok, {"HTTP_PROXY": f.endpoint, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}, tmp_path)
    check(heard, [CAN])

@pytest.mark.parametrize("provider", [variables_beside_a_file, variables_that_expire, credentials_file, assumed_role, role_of_the_environment_s_keys, web_identity, sso, process, container, instance, boto_file, legacy_file], ids=lambda p: p.__name__)
async def test_providers(tmp_path, provider):
    t = Tenant("one", tmp_path / "home")
    ti.SECRET = CAN
    import tests.api.test_identity as m
    with t.server, listening() as heard:
        own = {"HOME": str(t.home), "AWS_ENDPOINT_URL": t.server.endpoint}
        environ = {**own, "AWS_EC2_METADATA_DISABLED": "true", **provider(t)}
        orig = t.server._instead
        canned = ["t", "s"]
        def instead(a):
            r = orig(a)
            if r is None: return None
            b = r.body
            for x in (b">s<", b">t<"): b = b.replace(x, x.replace(x[1:2], CAN.encode()))
            for x in (b'"s"', b'"t"'): b = b.replace(x, b'"' + CAN.encode() + b'"')
            b = b.replace(b"token-of-one", CAN.encode())
            return Reply(r.status, b, r.headers)
        t.server._instead = instead
        loop = asyncio.get_running_loop(); loop.set_debug(True); loop.slow_callback_duration = 0
        async with AsyncStorage(environ=environ) as st:
            c = S3Config(profile=environ.get("PROFILE_OF_TEST"))
            assert await st.read("s3://models/m", config=c) == b"one"
            try: await st.read("s3://nomodels/m", config=c)
            except StorageError as e:
                heard.add("error", *texts_of(e))
                heard.add("te", "".join(traceback.TracebackException.from_exception(e, capture_locals=True).format()))
            for x in vars_of(): heard.add("repr", x)
        loop.set_debug(False)
    check(heard, [CAN, "token-of-one", "AKIASOURCEone" + "nothing"])
