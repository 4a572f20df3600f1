"""Paginated listings end, whatever a service returns."""

from collections.abc import Callable

import pytest

from sealift.errors import ServiceError
from sealift.runtime.host_pace import Hosts
from sealift.runtime.paging import ContinuationTokens, Page, paginate
from sealift.runtime.retry import Retry
from sealift.types import ObjectInfo

pytestmark = pytest.mark.anyio


async def pages(following: Callable[[str | None], str | None]) -> tuple[list[str], int]:
    """List pages of one object each; returns the keys and the number of requested pages."""
    asked = 0

    async def ask(token: str | None) -> Page:
        nonlocal asked
        asked += 1
        return [ObjectInfo(token or "", 1)], following(token)

    return [obj.key async for obj in paginate(ask, Retry(Hosts(4)))], asked


async def test_many_pages() -> None:
    def following(token: str | None) -> str | None:
        number = int(token or 0)
        return str(number + 1) if number < 1000 else None

    found, asked = await pages(following)
    assert (len(found), asked) == (1001, 1001)


@pytest.mark.parametrize("cycle", [["a"], ["a", "b"], ["a", "b", "c"], [str(number) for number in range(50)]])
@pytest.mark.parametrize("before", [0, 1, 10])
async def test_tokens_that_repeat(cycle: list[str], before: int) -> None:
    tokens = [f"before {number}" for number in range(before)] + cycle
    after = dict(zip([None, *tokens], [*tokens, cycle[0]], strict=True))
    count = 0

    def following(token: str | None) -> str | None:
        nonlocal count
        count += 1
        return after[token]

    with pytest.raises(ServiceError, match="does not advance: the service repeats its continuation token") as caught:
        await pages(following)
    assert not caught.value.retryable
    assert count <= 4 * len(tokens) + 2


def test_the_same_token_is_noticed_at_once() -> None:
    tokens = ContinuationTokens("the list")
    tokens.check("same")
    with pytest.raises(ServiceError, match="the list does not advance"):
        tokens.check("same")
