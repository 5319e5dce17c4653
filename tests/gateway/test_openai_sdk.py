"""The official SDK for Python, as programs use it: nothing tells it that this is not OpenAI."""

import asyncio
import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from support.simulator_requests import wav

TEXT = "하나 둘 셋, one two three"
PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
                       "additionalProperties": False},
        "strict": True,
    },
}  # fmt: skip


class Place(BaseModel):
    name: str
    people: int


@pytest.fixture
async def client(gate):
    _, token = await gate.key("the SDK")
    async with openai.AsyncOpenAI(base_url=gate.base_url, api_key=token, max_retries=0) as made:
        yield made
    await gate.check_books(unknown=True, unseen=True)


def asked(text: str = TEXT, **more: Any) -> dict[str, Any]:
    return {"model": "sim-fast", "messages": [{"role": "user", "content": f"say: {text}"}], **more}


async def test_an_answer(client):
    answer = await client.chat.completions.create(**asked())
    assert answer.choices[0].message.content == TEXT
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0
    assert answer._request_id is not None


async def test_its_headers(gate, client):
    raw = await client.chat.completions.with_raw_response.create(**asked())
    assert raw.headers["x-talkmeter-call-id"] in await gate.ledger()
    assert float(raw.headers["x-talkmeter-cost"]) > 0
    assert raw.parse().choices[0].message.content == TEXT


@pytest.mark.parametrize("usage", [False, True])
async def test_a_stream(client, usage):
    options = {"stream_options": {"include_usage": True}} if usage else {}
    text, figures, empty = "", [], 0
    async for chunk in await client.chat.completions.create(**asked(stream=True, **options)):
        figures += [chunk.usage] if chunk.usage is not None else []
        empty += not chunk.choices
        text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
    assert text == TEXT
    assert len(figures) == empty == usage


async def test_the_stream_helper_with_tools(client):
    messages: Any = [{"role": "user", "content": 'tool: weather {"city": "서울"}'}]
    async with client.chat.completions.stream(model="sim-fast", messages=messages, tools=[WEATHER]) as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_completion()
    call = final.choices[0].message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "서울"})


async def test_tools_and_their_results(client):
    messages: list[Any] = [{"role": "user", "content": 'tool: weather {"city": "서울"}'}]
    answer = await client.chat.completions.create(model="sim-fast", messages=messages, tools=[WEATHER])
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    messages += [message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "21 °C"}]
    answer = await client.chat.completions.create(model="sim-fast", messages=messages, tools=[WEATHER])
    assert answer.choices[0].message is not None


async def test_structured_outputs(client):
    answer = await client.chat.completions.parse(
        model="sim-fast", messages=[{"role": "user", "content": "a place"}], response_format=Place
    )
    assert isinstance(answer.choices[0].message.parsed, Place)
    response = await client.responses.parse(model="sim-fast", input="a place", text_format=Place)
    assert isinstance(response.output_parsed, Place)


async def test_vision(client):
    content = [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": PNG}}]
    answer = await client.chat.completions.create(model="sim-fast", messages=[{"role": "user", "content": content}])
    assert "1" in answer.choices[0].message.content


async def test_embeddings(client):
    found = await client.embeddings.create(model="sim-embedding", input=["하나", "둘"], dimensions=8)
    assert [len(one.embedding) for one in found.data] == [8, 8]


async def test_images(client):
    made = await client.images.generate(model="sim-image", prompt="a lighthouse")
    assert made.data[0].b64_json
    edited = await client.images.edit(model="sim-image", prompt="at night", image=("a.png", _png()))
    assert edited.usage.input_tokens > 0
    stream = await client.images.generate(model="sim-image", prompt="a lighthouse", stream=True, partial_images=1)
    kinds = [event.type async for event in stream]
    assert kinds == ["image_generation.partial_image", "image_generation.completed"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_audio(client):
    async with client.audio.speech.with_streaming_response.create(
        model="sim-speech", input="hello", voice="alloy", response_format="wav"
    ) as spoken:
        sound = await spoken.read()
    assert sound.startswith(b"RIFF")
    heard = await client.audio.transcriptions.create(model="sim-transcribe", file=("a.wav", wav(2.0)))
    assert heard.text
    translated = await client.audio.translations.create(model="sim-whisper", file=("a.wav", wav(2.0)))
    assert translated.text
    kinds = [
        event.type
        async for event in await client.audio.transcriptions.create(
            model="sim-transcribe", file=("a.wav", wav(2.0)), stream=True
        )
    ]
    assert kinds[-1] == "transcript.text.done"


async def test_responses(client):
    made = await client.responses.create(model="sim-fast", input=f"say: {TEXT}")
    assert made.output_text == TEXT
    assert (await client.responses.retrieve(made.id)).output_text == TEXT
    following = await client.responses.create(model="sim-fast", input="say: more", previous_response_id=made.id)
    assert following.output_text == "more"
    counted = await client.responses.input_tokens.count(model="sim-fast", input="hello")
    assert counted.input_tokens > 0
    await client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(made.id)


async def test_responses_in_a_stream(client):
    async with client.responses.stream(model="sim-fast", input=f"say: {TEXT}") as stream:
        text = "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])
        final = await stream.get_final_response()
    assert text == final.output_text == TEXT


async def test_responses_in_the_background(gate, client):
    begun = await client.responses.create(model="sim-fast", input=f"say: {TEXT}", background=True)
    assert begun.status in ("queued", "in_progress", "completed")
    assert await gate.simulator.settled()
    assert (await client.responses.retrieve(begun.id)).output_text == TEXT


async def test_completions_moderations_models(client):
    old = await client.completions.create(model="sim-instruct", prompt="hello", max_tokens=5)
    assert old.usage.completion_tokens == 5
    assert (await client.moderations.create(input="flag: violence", model="sim-moderation")).results[0].flagged
    assert "sim-fast" in [model.id async for model in client.models.list()]


async def test_files_and_batches(gate):
    _, token = await gate.key("the SDK")
    client = openai.AsyncOpenAI(base_url=gate.base_url, api_key=token, max_retries=0)
    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": asked()}
    file = await client.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
    batch = await client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert await gate.simulator.settled()
    batch = await client.batches.retrieve(batch.id)
    assert batch.status == "completed"
    answer = json.loads((await client.files.content(batch.output_file_id)).text)
    assert answer["response"]["body"]["choices"][0]["message"]["content"] == TEXT
    await client.close()
    assert {entry["state"] for entry in (await gate.ledger()).values()} == {"settled"}


@pytest.mark.parametrize(("fault", "error"), [
    ("401", openai.AuthenticationError), ("403", openai.PermissionDeniedError), ("404", openai.NotFoundError),
    ("409", openai.ConflictError), ("422", openai.UnprocessableEntityError), ("429", openai.RateLimitError),
    ("500", openai.InternalServerError), ("503", openai.InternalServerError), ("refuse", openai.InternalServerError),
])  # fmt: skip
async def test_the_provider_s_errors_are_its_exceptions(gate, client, fault, error):
    gate.simulator.script({"fault": fault})
    with pytest.raises(error) as caught:
        await client.chat.completions.create(**asked())
    assert caught.value.message


async def test_our_errors_are_its_exceptions(gate, client):
    with pytest.raises(openai.AuthenticationError) as wrong:
        await client.with_options(api_key="tm_wrong").chat.completions.create(**asked())
    assert wrong.value.code == "invalid_api_key"
    with pytest.raises(openai.BadRequestError) as bad:
        await client.chat.completions.create(**asked() | {"model": ""})
    assert bad.value.param == "model"
    await gate.budget("0.0000001 USD", name="almost nothing")
    with pytest.raises(openai.RateLimitError) as poor:
        await client.chat.completions.create(**asked())
    assert (poor.value.code, poor.value.type) == ("insufficient_quota", "insufficient_quota")
    assert "almost nothing" in poor.value.message


async def test_a_used_up_budget_is_not_tried_again(gate, client):
    """Its name, its figures and when it begins anew are in the error's body."""
    await gate.budget("0.0000001 USD", name="용돈", period="day")
    gate.simulator.bill.rows.clear()
    with pytest.raises(openai.RateLimitError) as poor:
        async with asyncio.timeout(60):
            await client.with_options(max_retries=50).chat.completions.create(**asked())
    assert isinstance(poor.value.body, dict)
    told = poor.value.body["talkmeter"]
    assert (poor.value.status_code, told["budget"], told["reason"]) == (429, "용돈", "exhausted")
    assert (told["limit"], told["spent"], told["reserved"]) == ("100000", "0", "0")
    assert told["resets_at"] > 0
    assert poor.value.response.headers["x-should-retry"] == "false"
    assert poor.value.request_id is not None
    assert gate.wire.sent == b""


async def test_rate_limits_and_warnings_in_its_headers(gate):
    _, token = await gate.key("limited", rpm=2, tpm=100_000)
    await gate.budget("0.000000001 USD", name="용돈", hard=False)
    async with openai.AsyncOpenAI(base_url=gate.base_url, api_key=token, max_retries=0) as client:
        raw = await client.chat.completions.with_raw_response.create(**asked())
        assert (raw.headers["x-ratelimit-limit-requests"], raw.headers["x-ratelimit-remaining-requests"]) == ("2", "1")
        assert (raw.headers["x-ratelimit-limit-tokens"], raw.headers["x-ratelimit-reset-requests"]) == ("100000", "30s")
        assert int(raw.headers["x-ratelimit-remaining-tokens"]) < 100_000
        async with client.chat.completions.with_streaming_response.create(**asked(), stream=True) as streamed:
            assert streamed.headers["x-talkmeter-budget-warning"].startswith("용돈; ")
            assert streamed.headers["x-talkmeter-call-id"]
            await streamed.read()
        with pytest.raises(openai.RateLimitError) as fast:
            await client.chat.completions.create(**asked())
        assert (fast.value.code, fast.value.type) == ("rate_limit_exceeded", "rate_limit_error")
        headers = fast.value.response.headers
        assert 1 <= int(headers["retry-after"]) <= 30
        assert 1 <= int(headers["retry-after-ms"]) <= 30_000
        assert headers["x-ratelimit-remaining-requests"] == "0"


async def test_it_waits_as_long_as_it_is_told(gate, monkeypatch):
    _, token = await gate.key("limited", rpm=1)
    waited = []
    async with openai.AsyncOpenAI(base_url=gate.base_url, api_key=token, max_retries=1) as client:
        await client.chat.completions.create(**asked())

        async def at_once(seconds):
            waited.append(seconds)

        monkeypatch.setattr("openai._base_client.anyio.sleep", at_once)
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(**asked())
    assert len(waited) == 1
    assert 30 < waited[0] <= 60, "one request a minute"


async def test_it_retries(gate, client):
    gate.simulator.script({"fault": "503"}, {"fault": "429", "retry_after": 0})
    answer = await client.with_options(max_retries=3).chat.completions.create(**asked())
    assert answer.choices[0].message.content == TEXT
    assert [entry["http_status"] for entry in (await gate.ledger()).values()] == [503, 429, 200]


async def test_its_timeout(gate, client):
    _, token = await gate.key("impatient", disconnect="cut")
    client = client.with_options(api_key=token)
    gate.simulator.script({"fault": "hang-headers"})
    with pytest.raises(openai.APITimeoutError):
        await client.with_options(timeout=0.3).chat.completions.create(**asked())
    entry = await gate.last()
    assert (entry["outcome"], entry["provenance"]) == ("stopped", "unknown")


async def test_cancelled_in_the_middle(gate, client):
    gate.simulator.script({"gate": True})
    stream = await client.chat.completions.create(**asked(stream=True))
    await gate.simulator.step(3)
    seen = [await anext(stream) for _ in range(2)]
    assert seen[-1].choices[0].delta.content
    await stream.close()
    await gate.simulator.step(1000)
    entry = await gate.last()
    assert (entry["outcome"], entry["provenance"]) == ("finished", "drained")


def test_without_async(tmp_path):
    """The synchronous client, in a thread beside the server."""
    from support.gate import gate_open

    def talk(base_url: str) -> list[str]:
        with openai.OpenAI(base_url=base_url, api_key="anything", max_retries=0) as client:
            whole = client.chat.completions.create(**asked()).choices[0].message.content
            parts = [c.choices[0].delta.content or "" for c in client.chat.completions.create(**asked(stream=True))]
            parsed = client.chat.completions.parse(
                model="sim-fast", messages=[{"role": "user", "content": "a place"}], response_format=Place
            )
            assert isinstance(parsed.choices[0].message.parsed, Place)
            response = client.responses.create(model="sim-fast", input=f"say: {TEXT}").output_text
            with client.responses.stream(model="sim-fast", input=f"say: {TEXT}") as stream:
                stream.until_done()
                streamed = stream.get_final_response().output_text
            vectors = client.embeddings.create(model="sim-embedding", input="x")
            assert len(vectors.data[0].embedding) == 1536
            return [whole, "".join(parts), response, streamed]

    async def main() -> None:
        async with gate_open(tmp_path) as gate:
            assert await asyncio.to_thread(talk, gate.base_url) == [TEXT] * 4
            assert len(await gate.check_books()) == 6

    asyncio.run(main())


def _png() -> bytes:
    import base64

    return base64.b64decode(PNG.partition(",")[2])
