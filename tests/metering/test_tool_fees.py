"""Fees of tools: how often each was used, and what that adds."""

import json

from talkmeter.metering.cost import MOST, Cost, CostLine
from talkmeter.metering.tool_fees import uses_charged, uses_in, with_fees

SEARCH = CostLine("web_search", 2, 10_000_000_000, 1000, "row", 20_000_000)
INPUT = CostLine("input", 5, 1, 1, "row", 5)


def test_uses():
    items = [{"type": "web_search_call", "action": {"type": kind}} for kind in ("search", "open_page", "find_in_page")]
    items += [{"type": "web_search_call", "action": "odd"}, {"type": "image_generation_call"}, {"type": 7}, "odd"]
    assert uses_in(json.dumps(items).replace(" ", "").encode()) == {"web_search": 2, "image_generation": 1}
    assert uses_in(b'[{"type":"message"}]') == {}
    assert uses_in(b"null") == uses_in(b"") == {}


def test_together():
    assert with_fees(Cost(5, (INPUT,)), Cost(7, (SEARCH,))) == Cost(12, (INPUT, SEARCH), ())
    assert with_fees(Cost(None, (), ("a",)), Cost(7, (SEARCH,))) == Cost(None, (SEARCH,), ("a",))
    assert with_fees(Cost(5, (INPUT,)), Cost(None, (), ("b",))) == Cost(None, (INPUT,), ("b",))
    assert with_fees(Cost(MOST), Cost(1)).picodollars is None


def test_what_a_cost_has_charged():
    assert uses_charged(Cost(5, (INPUT, SEARCH))) == {"web_search": 2}
    assert uses_charged(Cost(None, (SEARCH,), ("m: output has no price",))) == {"web_search": 2}
    assert uses_charged(Cost(None, (INPUT,), ("m: web_search has no price",))) is None
