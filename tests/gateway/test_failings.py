"""What other gateways got wrong, as issues of theirs tell: each a test with figures worked out by hand.

Amounts are picodollars: a price of 2.50 USD for a million tokens is 2,500,000 for each.
"""

import json

import pytest

from support.gate import chat
from support.simulator_requests import wav
from support.upstreams import Scripted, reply
from talkmeter.clock import now
from talkmeter.metering.cost import price_usage
from talkmeter.metering.prices import PriceTable, own_row
from talkmeter.metering.usage import Usage


async def bill_of(gate, model, usage, *, path="chat/completions", streamed=False, body=None, **scripted):
    """The entry of a call whose provider reports this usage."""
    gate.simulator.script({"usage": usage, **scripted})
    body = body or (chat(model=model) if path == "chat/completions" else {"model": model, "input": "hello"})
    answer = await gate.call(path, {**body, **({"stream": True} if streamed else {})})
    assert answer.status == 200, answer.body
    entry = await gate.entry(answer)
    assert entry["provenance"] == "reported", entry
    return entry


def usage(prompt, completion, *, into=None, out=None):
    found = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    if into is not None:
        found["prompt_tokens_details"] = into
    if out is not None:
        found["completion_tokens_details"] = out
    return found


def lines(entry):
    return {line["unit"]: (line["quantity"], line["picodollars"]) for line in json.loads(entry["cost_lines"])}


@pytest.mark.parametrize("streamed", [False, True])
async def test_cached_tokens_are_inside_the_prompt(gate, streamed):
    """Billed once, at the cached price: gpt-4o is 2.50 / 1.25 / 10."""
    entry = await bill_of(gate, "gpt-4o", usage(2000, 100, into={"cached_tokens": 1536}), streamed=streamed)
    assert lines(entry) == {
        "input": (464, 464 * 2_500_000),
        "cached_input": (1536, 1536 * 1_250_000),
        "output": (100, 100 * 10_000_000),
    }
    assert entry["cost_picodollars"] == 1_160_000_000 + 1_920_000_000 + 1_000_000_000 == 4_080_000_000


async def test_cache_writes_cost_more_than_input(gate):
    """gpt-5.6-sol: in 4, cached 0.40, written 1.25 × 4 = 5, out 20."""
    entry = await bill_of(
        gate, "gpt-5.6-sol", usage(5000, 10, into={"cached_tokens": 1024, "cache_write_tokens": 2048})
    )
    at = {unit: per // quantity for unit, (quantity, per) in lines(entry).items()}
    assert entry["prompt_tokens"] == 5000
    assert [lines(entry)[unit][0] for unit in ("input", "cached_input", "cache_write", "output")] == [
        1928,
        1024,
        2048,
        10,
    ]
    assert at["cache_write"] * 4 == at["input"] * 5
    assert (
        entry["cost_picodollars"]
        == 1928 * at["input"] + 1024 * at["cached_input"] + 2048 * at["cache_write"] + 10 * at["output"]
    )


@pytest.mark.parametrize("path", ["chat/completions", "responses"])
async def test_reasoning_is_inside_the_completion(gate, path):
    """Not added to it a second time: o3 is 2 / 0.50 / 8."""
    told = usage(100, 900, out={"reasoning_tokens": 800})
    if path == "responses":
        told = {
            "input_tokens": 100, "output_tokens": 900, "total_tokens": 1000,
            "output_tokens_details": {"reasoning_tokens": 800},
        }  # fmt: skip
    entry = await bill_of(gate, "o3", told, path=path)
    assert (entry["completion_tokens"], entry["reasoning_tokens"]) == (900, 800)
    assert entry["cost_picodollars"] == 100 * 2_000_000 + 900 * 8_000_000 == 7_400_000_000


async def test_reasoning_that_stands_beside_the_completion(gate):
    """As xAI counts: the total proves it."""
    told = {"prompt_tokens": 100, "completion_tokens": 100, "total_tokens": 1000,
            "completion_tokens_details": {"reasoning_tokens": 800}}  # fmt: skip
    entry = await bill_of(gate, "o3", told)
    assert entry["completion_tokens"] == 900
    assert entry["cost_picodollars"] == 7_400_000_000


async def test_audio_tokens_have_a_price_of_their_own(gate):
    """gpt-4o-audio-preview: text 2.50 / 10, audio 40 / 80."""
    told = usage(1000, 500, into={"audio_tokens": 800, "cached_tokens": 0}, out={"audio_tokens": 400})
    entry = await bill_of(gate, "gpt-4o-audio-preview", told)
    assert entry["cost_picodollars"] == 200 * 2_500_000 + 800 * 40_000_000 + 100 * 10_000_000 + 400 * 80_000_000


async def test_pictures_are_not_text(gate):
    """gpt-image-1: text in 5, image in 10, image out 40; output without a split is image."""
    told = {"input_tokens": 300, "output_tokens": 1056, "total_tokens": 1356,
            "input_tokens_details": {"text_tokens": 50, "image_tokens": 250}}  # fmt: skip
    entry = await bill_of(
        gate, "gpt-image-1", told, path="images/generations", body={"model": "gpt-image-1", "prompt": "x"}
    )
    assert entry["cost_picodollars"] == 50 * 5_000_000 + 250 * 10_000_000 + 1056 * 40_000_000


async def test_pictures_of_the_second_generation(gate):
    """gpt-image-2: text in 5, image in 8, image out 30, not the 10 that text would be."""
    told = {"input_tokens": 60, "output_tokens": 1568, "total_tokens": 1628,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 50}}  # fmt: skip
    body = {"model": "gpt-image-2", "prompt": "x", "size": "1536x1024"}
    entry = await bill_of(gate, "gpt-image-2", told, path="images/generations", body=body)
    assert entry["cost_picodollars"] == 10 * 5_000_000 + 50 * 8_000_000 + 1568 * 30_000_000


async def test_pictures_that_are_edited(gate):
    """A form; its usage is the Images endpoint's too: gpt-image-1, 5 / 10 / 40."""
    told = {"input_tokens": 300, "output_tokens": 272, "total_tokens": 572,
            "input_tokens_details": {"text_tokens": 20, "image_tokens": 280}}  # fmt: skip
    gate.simulator.script({"usage": told})
    picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0"
    answer = await gate.send_form("images/edits", {"model": "gpt-image-1", "prompt": "x", "image": ("a.png", picture)})
    assert answer.status == 200, answer.body
    entry = await gate.entry(answer)
    assert entry["cost_picodollars"] == 20 * 5_000_000 + 280 * 10_000_000 + 272 * 40_000_000


async def test_pictures_by_the_piece(gate):
    """dall-e-3, HD at 1024x1792: 0.12 USD for each; the size and quality asked for decide."""
    answer = await gate.call("images/generations", {
        "model": "dall-e-3", "prompt": "x", "quality": "hd", "size": "1024x1792", "response_format": "b64_json",
    })  # fmt: skip
    entry = await gate.entry(answer)
    assert (entry["images"], entry["cost_picodollars"]) == (1, 120_000_000_000)
    assert answer.headers["x-talkmeter-cost"] == "0.12"


@pytest.mark.parametrize(("asked", "served", "factor"), [
    ("priority", "default", (1, 1)), ("auto", "flex", (1, 2)), (None, "priority", (2, 1)), ("flex", "default", (1, 1)),
])  # fmt: skip
async def test_the_tier_of_the_response_is_billed(gate, asked, served, factor):
    """Not the one that was asked for. o3: 2 / 8; flex half of it; priority 3.50 / 14."""
    body = chat(model="o3", **({"service_tier": asked} if asked else {}))
    entry = await bill_of(gate, "o3", usage(1000, 1000), body=body, served_tier=served)
    assert entry["service_tier"] == served
    price = {"default": 10_000_000, "flex": 5_000_000, "priority": 17_500_000}[served]
    assert entry["cost_picodollars"] == 1000 * price


async def test_the_served_model_is_billed(gate):
    entry = await bill_of(gate, "gpt-4o", usage(1000, 0), served_model="gpt-4o-mini-2024-07-18")
    assert (entry["model_requested"], entry["model_served"]) == ("gpt-4o", "gpt-4o-mini-2024-07-18")
    assert entry["cost_picodollars"] == 1000 * 150_000


@pytest.mark.parametrize(("prompt", "input_price", "output_price"), [
    (272_000, 2_500_000, 15_000_000), (272_001, 5_000_000, 22_500_000),
])  # fmt: skip
async def test_a_long_prompt_is_dearer_as_a_whole(gate, prompt, input_price, output_price):
    """gpt-5.4: 2.50 / 15; above 272k tokens twice the input and one and a half of the output, for all of it."""
    entry = await bill_of(gate, "gpt-5.4", usage(prompt, 100))
    assert entry["cost_picodollars"] == prompt * input_price + 100 * output_price


@pytest.mark.parametrize("path", ["chat/completions", "responses"])
async def test_a_stream_costs_what_its_whole_costs(gate, path):
    told = usage(1000, 10) if path == "chat/completions" else {
        "input_tokens": 1000, "output_tokens": 10, "total_tokens": 1010
    }  # fmt: skip
    whole = await bill_of(gate, "gpt-4o-mini", told, path=path)
    stream = await bill_of(gate, "gpt-4o-mini", told, path=path, streamed=True)
    assert whole["cost_picodollars"] == stream["cost_picodollars"] == 1000 * 150_000 + 10 * 600_000


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_explicit_zero_is_a_report(gate, streamed):
    """Not "no usage, so let us count"."""
    entry = await bill_of(gate, "gpt-4o", usage(0, 0), streamed=streamed)
    assert (entry["prompt_tokens"], entry["completion_tokens"], entry["cost_picodollars"]) == (0, 0, 0)
    await gate.check_books()


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_missing_usage_is_no_zero(gate, streamed):
    gate.simulator.script({"fault": "no-usage"})
    answer = await gate.call("chat/completions", chat("say: one two three", "gpt-4o", stream=streamed))
    entry = await gate.entry(answer)
    assert entry["provenance"] == "counted"
    assert entry["prompt_tokens"] > 0
    assert entry["completion_tokens"] == 3
    assert entry["cost_picodollars"] == entry["prompt_tokens"] * 2_500_000 + 3 * 10_000_000
    await gate.check_books()


async def test_usage_twice_is_the_last_one(gate):
    gate.simulator.script({"fault": "usage-twice"})
    await gate.call("chat/completions", chat(model="gpt-4o", stream=True))
    await gate.check_books()


@pytest.fixture
async def odd(gate):
    """`await odd(body)`: the answer of a provider that says exactly this; model `Odd/house-7b`."""
    upstream = Scripted()

    async def call(body, kind=b"text/event-stream", **fields):
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(body))
        async with upstream.running(reply(head + body)):
            await gate.application.accounts.providers.add("Odd", upstream.base_url, "sk-odd")
            answer = await gate.call("chat/completions", chat(model="Odd/house-7b", **fields))
            return answer, await gate.entry_anywhere(answer)

    return call


async def test_an_unknown_model_is_unpriced_not_free(odd):
    """And not priced as some other model."""
    body = {"model": "house-7b", "choices": [], "usage": usage(10, 5)}
    answer, entry = await odd(json.dumps(body).encode(), b"application/json")
    assert (entry["prompt_tokens"], entry["completion_tokens"]) == (10, 5)
    assert entry["cost_picodollars"] is None
    assert "house-7b" in entry["unpriced"]
    assert "x-talkmeter-cost" not in answer.headers


@pytest.mark.parametrize("last", [
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage(10, 5)},
    {"choices": [{"index": 0, "delta": {}}], "usage": usage(10, 5)},
], ids=["on the stop event", "with an empty delta"])  # fmt: skip
async def test_usage_on_an_event_with_choices(odd, last):
    """It is read, and it is not the event that only we have asked for: nothing of it is taken out."""
    first = {"choices": [{"index": 0, "delta": {"content": "hello"}}]}
    body = b"".join([b"data: " + json.dumps(one).encode() + b"\n\n" for one in (first, last)]) + b"data: [DONE]\n\n"
    answer, entry = await odd(body, stream=True)
    assert answer.body == body
    assert (entry["provenance"], entry["prompt_tokens"], entry["completion_tokens"]) == ("reported", 10, 5)


async def test_usage_in_every_event_is_a_running_total(odd):
    """The last one stands, they are not added up."""
    events = [{"choices": [{"index": 0, "delta": {"content": "x"}}], "usage": usage(10, n)} for n in range(1, 6)]
    body = b"".join([b"data: " + json.dumps(one).encode() + b"\n\n" for one in events])
    _, entry = await odd(body, stream=True)
    assert (entry["prompt_tokens"], entry["completion_tokens"]) == (10, 5)


async def test_an_aborted_stream_is_counted_and_says_so(gate):
    """With the client gone and the call cut: the prompt and the text that came, as counted, never as reported."""
    _, token = await gate.key(disconnect="cut")
    gate.simulator.script({"gate": True, "answer": "one two three four"})
    connection = await gate.open("chat/completions", chat(model="gpt-4o", stream=True), key=token)
    await gate.simulator.step(3)  # the role, " one" and " two"
    await connection.head()
    text = b""
    while b"two" not in text:
        text += await connection.chunk()
    await connection.close()
    entry = await gate.last()
    assert (entry["outcome"], entry["provenance"]) == ("stopped", "counted")
    assert entry["completion_tokens"] == 2
    assert entry["cost_picodollars"] == entry["prompt_tokens"] * 2_500_000 + 2 * 10_000_000
    await gate.check_books()


async def left_in_the_middle(gate, body, chunks):
    connection = await gate.open("chat/completions", body)
    await gate.simulator.step(chunks)
    if chunks:
        await connection.head()
        for _ in range(chunks):
            await connection.chunk()
    await connection.close()
    await gate.simulator.step(1000, wait=0.05)
    return await gate.last()


@pytest.mark.parametrize("chunks", [0, 1, 3])
async def test_who_leaves_early_is_billed_what_the_provider_bills(gate, chunks):
    """Cached and reasoning tokens are nothing that a count of the text could see. gpt-4o-mini: 0.15 / 0.075 / 0.60."""
    told = usage(2006, 300, into={"cached_tokens": 1920}, out={"reasoning_tokens": 100})
    gate.simulator.script({"usage": told, "gate": True, "answer": "one two three four five"})
    entry = await left_in_the_middle(gate, chat(model="gpt-4o-mini", stream=True), chunks)
    assert entry["provenance"] == "drained"
    assert (entry["prompt_tokens"], entry["completion_tokens"], entry["reasoning_tokens"]) == (2006, 300, 100)
    assert entry["cost_picodollars"] == 86 * 150_000 + 1920 * 75_000 + 300 * 600_000 == 336_900_000
    await gate.check_books()


async def test_who_leaves_before_an_answer_in_one_piece(gate):
    gate.simulator.script({"usage": usage(1000, 100), "gate": True})
    entry = await left_in_the_middle(gate, chat(model="gpt-4o-mini"), 0)
    assert (entry["provenance"], entry["cost_picodollars"]) == ("drained", 1000 * 150_000 + 100 * 600_000)


async def test_a_stream_trips_its_budget(gate):
    """What streams have cost is spent: the budget is for one of them and a little more. gpt-4o: 2.50 / 10."""
    await gate.budget("0.012 USD")
    gate.simulator.script({"usage": usage(1000, 500)})
    body = chat("say: x", "gpt-4o", stream=True, max_tokens=500, service_tier="default")
    assert (await gate.call("chat/completions", body)).status == 200
    await gate.ledger()
    assert gate.counters() == [(1000 * 2_500_000 + 500 * 10_000_000, 0)] == [(7_500_000_000, 0)]
    assert (await gate.call("chat/completions", body)).status == 429


async def test_a_cache_that_is_counted_beside_the_input_is_not_read_as_inside(odd):
    """Anthropic's form under OpenAI's path: reading it as ours would lose 900 tokens, or bill them twice."""
    told = {"input_tokens": 100, "cache_read_input_tokens": 900, "output_tokens": 10}
    body = json.dumps({"model": "house-7b", "choices": [{"message": {"content": "x"}}], "usage": told}).encode()
    _, entry = await odd(body, b"application/json")
    assert (entry["provenance"], json.loads(entry["raw_usage"])) == ("estimated", told)
    assert "Anthropic" in entry["problem"]


OUTPUT = [
    {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}},
    {"type": "web_search_call", "status": "completed", "action": {"type": "open_page", "url": "u"}},
    {"type": "web_search_call", "status": "completed"},
    {"type": "file_search_call", "status": "completed"},
    {"type": "function_call", "name": "web_search_call", "arguments": "{}"},
    {"type": "message", "content": [{"type": "output_text", "text": "x"}]},
]


@pytest.fixture
async def tooled(gate):
    """`await tooled(output, streamed)`: the entry of a response with these items; usage 1000 and 10."""
    upstream = Scripted()

    async def call(output, *, streamed=False):
        told = {"input_tokens": 1000, "output_tokens": 10, "total_tokens": 1010}
        made = {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-4.1", "output": output,
                "usage": told}  # fmt: skip
        body, kind = json.dumps(made).encode(), b"application/json"
        if streamed:
            event = {"type": "response.completed", "response": made}
            body, kind = b"data: " + json.dumps(event).encode() + b"\n\n", b"text/event-stream"
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(body))
        async with upstream.running(reply(head + body)):
            await gate.application.accounts.providers.add("Tools", upstream.base_url, "sk-tools")
            fields = {"model": "Tools/gpt-4.1", "input": "x", "tools": [{"type": "web_search"}], "stream": streamed}
            answer = await gate.call("responses", fields)
            entry = await gate.entry_anywhere(answer)
            again = await gate.entry_anywhere(await gate.call("responses/resp_1"))
        assert again["cost_picodollars"] == 0, "it is paid for once"
        return entry

    return call


@pytest.mark.parametrize("streamed", [False, True])
async def test_tools_have_fees_of_their_own(tooled, streamed):
    """gpt-4.1 is 2 / 8; a search in the web 0.01, one in files 0.0025; opening a page is free."""
    entry = await tooled(OUTPUT, streamed=streamed)
    assert lines(entry) == {
        "input": (1000, 2_000_000_000),
        "output": (10, 80_000_000),
        "web_search": (2, 20_000_000_000),
        "file_search": (1, 2_500_000_000),
    }
    assert entry["cost_picodollars"] == 24_580_000_000


async def test_a_tool_without_a_price_is_not_free(gate, tooled):
    entry = await tooled([{"type": "code_interpreter_call"}])
    assert entry["cost_picodollars"] is None
    assert "code_interpreter has no price" in entry["unpriced"]
    assert (entry["prompt_tokens"], entry["completion_tokens"]) == (1000, 10)
    assert await gate.application.prices.back_fill() == 0, "a price for tokens alone would not be the whole"
    await gate.application.prices.add(own_row(model="gpt-4.1", unit="code_interpreter", usd="30", per=1000))
    later = gate.entries()[entry["id"]]
    assert lines(later)["code_interpreter"] == (1, 30_000_000_000)
    assert later["cost_picodollars"] == 1000 * 2_000_000 + 10 * 8_000_000 + 30_000_000_000


async def test_speech_by_characters(gate):
    """tts-1: 15 USD for a million characters, whatever their bytes."""
    answer = await gate.call("audio/speech", {"model": "tts-1", "input": "안녕 hi", "voice": "alloy"})
    entry = await gate.entry(answer)
    assert (entry["characters"], entry["cost_picodollars"]) == (5, 5 * 15_000_000)


async def test_hearing_by_the_second(gate):
    """whisper-1: 0.0001 USD a second, begun ones whole."""
    answer = await gate.send_form("audio/transcriptions", {"model": "whisper-1", "file": ("a.wav", wav(2.1))})
    entry = await gate.entry(answer)
    assert (entry["seconds"], entry["cost_picodollars"]) == (3, 300_000_000)


@pytest.mark.parametrize("streamed", [{}, {"stream": "true"}])
async def test_hearing_by_tokens(gate, streamed):
    """gpt-4o-transcribe: 2.50 for text, 6 for audio, 10 for what is written; ten tokens of audio a second, here."""
    simulate = json.dumps({"answer": "one two three"})
    asked = {"model": "gpt-4o-transcribe", "file": ("a.wav", wav(2.1)), "prompt": "names", "simulate": simulate}
    entry = await gate.entry(await gate.send_form("audio/transcriptions", {**asked, **streamed}))
    assert (entry["prompt_tokens"], entry["prompt_audio_tokens"], entry["completion_tokens"]) == (22, 21, 3)
    assert entry["cost_picodollars"] == 1 * 2_500_000 + 21 * 6_000_000 + 3 * 10_000_000
    await gate.check_books()


async def test_embeddings_have_no_output(gate):
    """text-embedding-3-small: 0.02."""
    answer = await gate.call("embeddings", {"model": "text-embedding-3-small", "input": "hello world"})
    entry = await gate.entry(answer)
    assert (entry["prompt_tokens"], entry["completion_tokens"]) == (2, 0)
    assert entry["cost_picodollars"] == 2 * 20_000
    assert answer.headers["x-talkmeter-cost"] == "0.00000004"


async def test_money_is_exact(gate):
    """No 1.2899999999999988e-05: the header is the ledger's integer."""
    entry_cost = 43 * 150_000 + 11 * 600_000
    gate.simulator.script({"usage": usage(43, 11)})
    answer = await gate.call("chat/completions", chat(model="gpt-4o-mini"))
    assert answer.headers["x-talkmeter-cost"] == "0.00001305"
    assert (await gate.entry(answer))["cost_picodollars"] == entry_cost == 13_050_000


async def test_figures_that_cannot_be_are_not_believed(gate):
    gate.simulator.script({"usage": usage(10, 10, into={"cached_tokens": 11})})
    entry = await gate.entry(await gate.call("chat/completions", chat("say: x", "gpt-4o")))
    assert entry["provenance"] == "counted"
    assert "cached_tokens" in entry["problem"]


def test_a_long_prompt_in_a_batch():
    """gpt-5.4 in a batch: 1.25 / 7.50; above 272k tokens 2.50 / 11.25, and never nothing."""
    table, at = PriceTable(), now()
    for prompt, into, out in ((272_000, 1_250_000, 7_500_000), (272_001, 2_500_000, 11_250_000)):
        told = Usage(prompt_tokens=prompt, completion_tokens=100)
        cost = price_usage(told, table, provider="openai", model="gpt-5.4", tier="batch", at=at)
        assert cost.picodollars == prompt * into + 100 * out


async def test_the_batch_price_is_half(gate):
    """gpt-4o-mini in a batch: 0.075 / 0.30."""
    from support.simulator_requests import FORM, form

    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": chat("say: x", "gpt-4o-mini")}
    file = await gate.call("files", form({"purpose": "batch", "file": ("in.jsonl", json.dumps(line).encode())}),
                           content_type=FORM)  # fmt: skip
    made = await gate.call("batches", {"input_file_id": file.json()["id"], "endpoint": "/v1/chat/completions",
                                       "completion_window": "24h"})  # fmt: skip
    assert await gate.simulator.settled()
    told = (await gate.call(f"batches/{made.json()['id']}")).json()
    assert told["model"].startswith("gpt-4o-mini")
    entry = (await gate.ledger())[made.headers["x-talkmeter-call-id"]]
    total = told["usage"]["input_tokens"] * 75_000 + told["usage"]["output_tokens"] * 300_000
    assert entry["cost_picodollars"] == total > 0
