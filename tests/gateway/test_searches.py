"""The fee of a search in Chat Completions, whose usage does not tell of it."""

import json

import pytest

from support.gate import chat
from support.upstreams import Scripted, reply


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("model", "annotations", "fee"),
    [
        ("gpt-4o-search-preview", [{"type": "url_citation", "url_citation": {}}], 25_000_000_000),
        ("gpt-4o-search-preview", [], 25_000_000_000),
        ("gpt-4o", [{"type": "url_citation", "url_citation": {}}], 10_000_000_000),
        ("gpt-4o", [], None),
    ],
)
async def test_a_chat_that_has_searched_pays_for_it(gate, model, annotations, fee, streamed):
    """Its usage does not say so: what the answer cites does, and a model that searches before it answers."""
    told = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}
    message = {"content": "x", "annotations": annotations}
    made = {"id": "c", "object": "chat.completion", "model": model, "choices": [{"index": 0, "message": message}]}
    if streamed:
        events = [{**made, "choices": [{"index": 0, "delta": message}]}, {**made, "choices": [], "usage": told}]
        body = b"".join([b"data: %b\n\n" % json.dumps(event).encode() for event in events])
    else:
        body = json.dumps({**made, "usage": told}).encode()
    kind = b"text/event-stream" if streamed else b"application/json"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(body))
    upstream = Scripted()
    async with upstream.running(reply(head + body)):
        await gate.application.accounts.providers.add("Search", upstream.base_url, "sk-search")
        await gate.budget("1 USD")
        asked = chat(model=f"Search/{model}", stream=streamed, web_search_options={}, max_tokens=10)
        answer = await gate.call("chat/completions", asked)
        entry = await gate.entry_anywhere(answer)
    found = {line["unit"]: (line["quantity"], line["picodollars"]) for line in json.loads(entry["cost_lines"])}
    assert found.pop("web_search", None) == (None if fee is None else (1, fee))
    assert set(found) == {"input", "output"}
    assert entry["provenance"] == "reported"
    assert gate.counters() == [(entry["cost_picodollars"], 0)]
