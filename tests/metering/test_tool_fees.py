"""Fees of tools: how often each was used, and what that adds."""

import json

import pytest
from msgspec import structs

from support.store_values import a_settlement, an_opening
from talkmeter.metering.cost import MOST, Cost, CostLine
from talkmeter.metering.ledger import LedgerEntry
from talkmeter.metering.pricebook import PriceBook
from talkmeter.metering.tool_fees import cites, searches_in, uses_charged, uses_in, with_fees

SEARCH = CostLine("web_search", 2, 10_000_000_000, 1000, "row", 20_000_000)
INPUT = CostLine("input", 5, 1, 1, "row", 5)


def test_uses():
    items = [{"type": "web_search_call", "action": {"type": kind}} for kind in ("search", "open_page", "find_in_page")]
    items += [{"type": "web_search_call", "action": "odd"}, {"type": "image_generation_call"}, {"type": 7}, "odd"]
    assert uses_in(json.dumps(items).replace(" ", "").encode()) == {"web_search": 2, "image_generation": 1}
    assert uses_in(b'[{"type":"message"}]') == {}
    assert uses_in(b"null") == uses_in(b"") == {}


@pytest.mark.parametrize(
    ("annotations", "does"),
    [
        (None, False),
        ([], False),
        ({"type": "url_citation"}, False),
        ([7, {"type": "file_citation"}], False),
        ([{"type": "file_citation"}, {"type": "url_citation", "url_citation": {"url": "u"}}], True),
    ],
)
def test_an_answer_that_cites_the_web(annotations, does):
    assert cites(annotations) is does


@pytest.mark.parametrize(
    ("model", "answers", "times"),
    [
        ("gpt-4o", [True, False, True], 2),
        ("gpt-4o", [False], 0),
        (None, [True], 1),
        ("gpt-4o-search-preview", [False, True], 2),
        ("openai/GPT-4o-mini-search-preview-2025-03-11", [False], 1),
        ("gpt-5-search-api-2025-10-14", [False], 1),
        ("gpt-5-search-api", [], 0),
        ("text-search-ada-doc-001", [False], 0),
        ("my-gpt-4o-search-preview", [False], 0),
        ("gpt-4o-search-previews", [False], 0),
    ],
)
def test_searches_of_a_chat(model, answers, times):
    assert searches_in(model, answers) == ({"web_search": times} if times else {})


def test_a_name_that_nearly_fits_very_often():
    """It comes from outside, and is looked at where everybody else waits: it is gone through once."""
    assert searches_in("gpt-" + "-search-apis" * 100_000, [False]) == {}
    assert searches_in("gpt-/" * 200_000, [False]) == {}


def test_together():
    assert with_fees(Cost(5, (INPUT,)), Cost(7, (SEARCH,)), {"web_search": 2}) == Cost(12, (INPUT, SEARCH), ())
    assert with_fees(Cost(None, (), ("a",)), Cost(7, (SEARCH,)), {}) == Cost(None, (SEARCH,), ("a",))
    assert with_fees(Cost(5, (INPUT,)), Cost(None, (), ("b",)), {}) == Cost(None, (INPUT,), ("b",))
    assert with_fees(Cost(MOST), Cost(1), {}).picodollars is None


@pytest.mark.parametrize(
    ("reason", "times", "said"),
    [
        ("m: code_interpreter has no price", 1, "m: code_interpreter has no price (used 1 time)"),
        (
            "m: code_interpreter has no price in tier flex",
            3,
            "m: code_interpreter has no price in tier flex (used 3 times)",
        ),
    ],
)
def test_a_fee_without_a_price_keeps_how_often_it_is_due(reason, times, said):
    cost = with_fees(Cost(5, (INPUT,)), Cost(None, (), (reason,)), {"code_interpreter": times})
    assert cost == Cost(None, (INPUT,), (said,))
    assert uses_charged(cost) == {"code_interpreter": times}


def test_what_a_cost_has_charged():
    assert uses_charged(Cost(5, (INPUT, SEARCH))) == {"web_search": 2}
    assert uses_charged(Cost(None, (SEARCH,), ("m: output has no price",))) == {"web_search": 2}
    assert uses_charged(Cost(None, (INPUT,), ("m: web_search has no price",))) is None, "nobody knows how many"


async def test_a_price_does_not_fill_in_uses_that_nobody_has_written_down():
    """As entries of an older version may have them."""
    opening = an_opening(id="call_old")
    settled = structs.replace(a_settlement(opening), cost=Cost(None, (INPUT,), ("m: web_search has no price",)))

    class Store:
        async def price_rows(self):
            return []

        async def unpriced_entries(self):
            return [LedgerEntry(opening=opening, settlement=settled)]

    book = PriceBook(Store(), lambda _id: None)
    await book.load()
    assert await book.back_fill() == 0
