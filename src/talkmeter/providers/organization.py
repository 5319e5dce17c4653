"""Reads a provider's own books: `/organization/usage/…` and `/organization/costs`, with an admin key."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec

from talkmeter.completions import UpstreamCall
from talkmeter.errors import UpstreamError
from talkmeter.metering.reconciling.books import BookLine, CostItem, Width, book_line, cost_item
from talkmeter.providers.client import Client
from talkmeter.providers.openai_compatible import PLAIN, OpenAICompatible, read_body

LARGEST_PAGE = 64 << 20
MOST_PAGES = 10_000
TRIES = 6
LONGEST_WAIT = 120.0
LIMITS = {"1m": 1440, "1d": 31, "costs": 180}
GROUPS = ("project_id", "api_key_id", "model")
COMPLETIONS = (*GROUPS, "batch", "service_tier")
COSTS = ("project_id", "line_item")
BY_KEY = (*COSTS, "api_key_id")


class _Bucket(msgspec.Struct):
    start_time: int
    results: list[dict[str, Any]] = []


class _Page(msgspec.Struct):
    data: list[_Bucket]
    has_more: bool = False
    next_page: str | None = None


_decode = msgspec.json.Decoder(_Page, float_hook=Decimal).decode


class OrganizationBooks:
    """Implements metering's ProviderBooks. by_key: whether costs are to be told apart by API key."""

    def __init__(
        self,
        *,
        base_url: str,
        admin_key: str,
        client: Client,
        by_key: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._provider = OpenAICompatible(id="", name="", base_url=base_url, key=admin_key, client=client)
        self._by_key = by_key
        self._sleep = sleep

    async def usage(self, kind: str, start: int, end: int, width: Width) -> Sequence[BookLine]:
        """See ProviderBooks."""
        groups = COMPLETIONS if kind == "completions" else GROUPS
        buckets = await self._buckets(f"organization/usage/{kind}", start, end, width, LIMITS[width], groups)
        return [book_line(kind, begun, result) for begun, result in _results(buckets)]

    async def costs(self, start: int, end: int) -> Sequence[CostItem]:
        """See ProviderBooks."""
        groups = BY_KEY if self._by_key else COSTS
        buckets = await self._buckets("organization/costs", start, end, "1d", LIMITS["costs"], groups)
        try:
            return [cost_item(begun, result) for begun, result in _results(buckets)]
        except (KeyError, TypeError, ArithmeticError) as error:
            raise _unreadable("organization/costs", repr(error)) from None

    async def _buckets(
        self, path: str, start: int, end: int, width: str, limit: int, groups: Sequence[str]
    ) -> list[_Bucket]:
        """All pages. Raises UpstreamError."""
        asked: list[tuple[str, str | int]] = [("start_time", start), ("end_time", end), ("bucket_width", width)]
        asked += [("limit", limit), *(("group_by", group) for group in groups)]
        found: list[_Bucket] = []
        page: str | None = None
        for _ in range(MOST_PAGES):
            query = urlencode([*asked, *([("page", page)] if page is not None else [])])
            answer = await self._page(path, f"{path}?{query}")
            found += answer.data
            page = answer.next_page
            if not answer.has_more or page is None:
                return found
        raise _unreadable(path, f"more than {MOST_PAGES} pages")

    async def _page(self, path: str, target: str) -> _Page:
        for attempt in range(1, TRIES + 1):
            answer = await self._provider.exchange(UpstreamCall("", "GET", target, PLAIN))
            body = await read_body(answer, LARGEST_PAGE)
            if answer.status == 200:
                try:
                    return _decode(body)
                except msgspec.MsgspecError as error:
                    raise _unreadable(path, str(error)) from None
            waits = answer.status == 429 or answer.status >= 500
            wait = _wait(answer.header(b"retry-after"), attempt)
            if not waits or wait is None or attempt == TRIES:
                raise self._refused(path, answer.status, body)
            await self._sleep(wait)
        raise AssertionError  # the last attempt returns or raises

    def _refused(self, path: str, status: int, body: bytes) -> UpstreamError:
        from talkmeter.providers.model_lists import words_of_error

        words = self._provider.hide(words_of_error(body))
        return UpstreamError(
            f"The provider's books ({path}) were refused with {status}: {words}",
            f"제공자의 장부({path})를 읽지 못했습니다({status}): {words}",
            hint="They need an admin key, which is another one than the key for calls; 404 means there are no books.",
            hint_ko="호출용 키와 다른 관리자 키가 필요합니다. 404는 장부가 없다는 뜻입니다.",
            code="books_refused",
            details={"status": status},
        )


def _results(buckets: Sequence[_Bucket]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for bucket in buckets:
        for result in bucket.results:
            yield bucket.start_time, result


def _wait(said: bytes | None, attempt: int) -> float | None:
    """Seconds; None if the provider wants to be left alone for longer than anybody would wait."""
    try:
        seconds = float(said) if said is not None else 2.0**attempt / 4
    except ValueError:
        seconds = 2.0**attempt / 4
    return seconds if 0 <= seconds <= LONGEST_WAIT else None


def _unreadable(path: str, why: str) -> UpstreamError:
    return UpstreamError(
        f"The provider's books ({path}) cannot be read: {why}.",
        f"제공자의 장부({path})를 해석할 수 없습니다: {why}.",
        code="books_unreadable",
    )
