"""Sessions of directory buckets: creation, renewal, and the credentials they belong to."""

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from sealift import ServiceError
from sealift.backends.s3.express import ExpressSession
from sealift.backends.s3.signature import Credentials
from sealift.wire import Response

pytestmark = pytest.mark.anyio

IAM = Credentials("AKIAUSER", "secret")


class Service:
    """Answers CreateSession and counts the calls. Sessions last five minutes."""

    def __init__(self) -> None:
        self.created = 0
        self.now = 1000.0
        self.down = False
        self.answer = anyio.Event()

    async def create(self) -> Response:
        self.created += 1
        await self.answer.wait()
        if self.down:
            raise ServiceError("the service answered 503")
        date = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
        body = (
            f"<R><C><AccessKeyId>A{self.created}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            f"<SessionToken>t{self.created}</SessionToken>"
            f"<Expiration>{(date + timedelta(minutes=5)):%Y-%m-%dT%H:%M:%SZ}</Expiration></C></R>"
        )
        return Response(200, [(b"date", b"Mon, 04 May 2026 03:02:01 GMT")], body.encode())


@pytest.fixture
def service() -> Service:
    service = Service()
    service.answer.set()
    return service


@pytest.fixture
def session(service: Service) -> ExpressSession:
    return ExpressSession(lambda: service.now)


async def test_concurrent_requests_share_one_call(service: Service, session: ExpressSession) -> None:
    service.answer = anyio.Event()
    access_keys: set[str] = set()

    async def use() -> None:
        access_keys.add((await session.credentials(IAM, service.create)).access_key)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(use)
        await anyio.wait_all_tasks_blocked()
        assert not access_keys
        service.answer.set()
    assert (access_keys, service.created) == ({"A1"}, 1)


async def test_a_session_is_renewed_a_minute_before_it_expires(service: Service, session: ExpressSession) -> None:
    for now, created in ((1000, 1), (1239, 1), (1240, 2), (1479, 2), (9999, 3)):
        service.now = now
        credentials = await session.credentials(IAM, service.create)
        assert (credentials.access_key, service.created) == (f"A{created}", created)


async def test_a_rejected_session_is_replaced_once(service: Service, session: ExpressSession) -> None:
    assert (await session.credentials(IAM, service.create)).token == "t1"
    session.discard("t0")
    assert (await session.credentials(IAM, service.create)).token == "t1"
    session.discard("t1")
    assert (await session.credentials(IAM, service.create)).token == "t2"
    session.discard("t1")  # a late reply to an earlier request
    assert (await session.credentials(IAM, service.create)).token == "t2"


async def test_a_session_belongs_to_the_credentials_that_created_it(service: Service, session: ExpressSession) -> None:
    await session.credentials(IAM, service.create)
    other = await session.credentials(Credentials("AKIAOTHER", "secret"), service.create)
    assert (other.access_key, service.created) == ("A2", 2)


async def test_a_failure_is_not_cached(service: Service, session: ExpressSession) -> None:
    service.down = True
    with pytest.raises(ServiceError, match="503"):
        await session.credentials(IAM, service.create)
    service.down = False
    assert (await session.credentials(IAM, service.create)).access_key == "A2"


async def test_a_cancelled_caller_does_not_cancel_others(service: Service, session: ExpressSession) -> None:
    service.answer = anyio.Event()
    access_keys: list[str] = []

    async def use() -> None:
        access_keys.append((await session.credentials(IAM, service.create)).access_key)

    async with anyio.create_task_group() as group, anyio.create_task_group() as first:
        first.start_soon(use)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(use)
        await anyio.wait_all_tasks_blocked()
        first.cancel_scope.cancel()
        service.answer.set()
    assert access_keys == ["A2"]


def test_secrets_are_not_shown() -> None:
    assert "hidden" not in repr(Credentials("A", "hidden", "hidden", token_header="x-amz-s3session-token"))
