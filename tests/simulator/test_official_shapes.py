"""Answers and events have the shapes that OpenAI's own document states."""

import json
from typing import Any

import pytest

from support.openapi import DOCUMENT, problems, schema
from support.simulator_bench import Bench
from support.simulator_requests import FORM, form, smallest, wav

pytestmark = pytest.mark.skipif(
    not DOCUMENT.exists(), reason="OpenAI's document is not here: set TALKMETER_SHARED to the folder that has it"
)
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
CHAT_TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


# What OpenAI sends as null although its document does not say so.
NULLS = {
    *(
        f"{where}.{name}"
        for where in ("$", "$.response")
        for name in ("usage is no object: None", "user is no string: None")
    ),
    "$.choices[0].logprobs is no object: None",
    "$.choices[0].logprobs.refusal is no array: None",
    "$.choices[1].logprobs.refusal is no array: None",
    "$.choices[0].finish_reason is no string: None",
    "$.choices[0].finish_reason is none of ['stop', 'length', 'content_filter']: None",
}


def fits(value: Any, name: str) -> None:
    found = [problem for problem in problems(value, schema(name)) if problem not in NULLS]
    assert found == []


def test_the_reader_sees_what_is_wrong() -> None:
    good = {"object": "list", "model": "m", "data": [], "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    fits(good, "CreateEmbeddingResponse")
    assert problems({**good, "usage": {"prompt_tokens": "1"}}, schema("CreateEmbeddingResponse")) == [
        "$.usage.total_tokens is missing",
        "$.usage.prompt_tokens is no integer: '1'",
    ]
    assert problems({**good, "object": "page"}, schema("CreateEmbeddingResponse"))


@pytest.mark.parametrize(
    ("kind", "model", "fields", "name"),
    [
        ("chat", "sim-fast", {"n": 2, "logprobs": True}, "CreateChatCompletionResponse"),
        ("chat", "sim-fast", {"tools": [CHAT_TOOL], "tool_choice": "required"}, "CreateChatCompletionResponse"),
        ("response", "sim-fast", {"metadata": {"a": "b"}}, "Response"),
        ("response", "sim-reasoning", {"include": ["reasoning.encrypted_content"]}, "Response"),
        ("response", "sim-fast", {"tools": [TOOL], "tool_choice": "required"}, "Response"),
        ("response", "sim-fast", {"background": True}, "Response"),
        ("completion", "sim-instruct", {}, "CreateCompletionResponse"),
        ("embedding", "sim-embedding", {}, "CreateEmbeddingResponse"),
        ("moderation", "sim-moderation", {}, "CreateModerationResponse"),
        ("image", "sim-image", {}, "ImagesResponse"),
        ("image", "sim-image-classic", {}, "ImagesResponse"),
    ],
)
async def test_whole_answers(bench: Bench, kind: str, model: str, fields: dict[str, Any], name: str) -> None:
    path, body = smallest(kind, model)
    answer = await bench.call(path, body | fields)
    assert answer.status == 200
    fits(answer.json(), name)


async def test_events_of_chat_and_completions(bench: Bench) -> None:
    usage = {"stream": True, "stream_options": {"include_usage": True}}
    for fields in ({}, {"logprobs": True, "n": 2}, {"tools": [CHAT_TOOL], "tool_choice": "required"}):
        for payload in (await bench.ask(bench.request(**usage, **fields))).payloads:
            fits(payload, "CreateChatCompletionStreamResponse")
    path, body = smallest("completion", "sim-instruct")
    for payload in (await bench.call(path, body | usage)).payloads:
        fits(payload, "CreateCompletionResponse")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"model": "sim-reasoning"},
        {"tools": [TOOL], "tool_choice": "required"},
        {"background": True},
        {"input": "long 900", "max_output_tokens": 20},
    ],
)
async def test_events_of_responses(bench: Bench, fields: dict[str, Any]) -> None:
    path, body = smallest("response", "sim-fast")
    answer = await bench.call(path, {**body, "stream": True, **fields})
    names = {
        "response.output_text.delta": "ResponseTextDeltaEvent",
        "response.output_text.done": "ResponseTextDoneEvent",
    }
    for event, payload in answer.named:
        made = "".join(part.capitalize() for part in event.replace(".", "_").split("_"))
        fits(payload, names.get(event, f"{made}Event"))


async def test_what_is_kept(bench: Bench) -> None:
    made = (await bench.call("responses", {"model": "sim-fast", "input": "hello"})).json()
    fits((await bench.call(f"responses/{made['id']}/input_items")).json(), "ResponseItemList")
    fits(
        (await bench.call("responses/input_tokens", {"model": "sim-fast", "input": "x"})).json(), "TokenCountsResource"
    )
    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": bench.request()}
    upload = form({"purpose": "batch", "file": ("a.jsonl", json.dumps(line).encode())})
    file = (await bench.call("files", upload, Content_Type=FORM)).json()
    fits({name: value for name, value in file.items() if value is not None}, "OpenAIFile")
    begun = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    batch = (await bench.call("batches", begun)).json()
    fits({name: value for name, value in batch.items() if value is not None}, "Batch")
    fits((await bench.call(f"files/{file['id']}", method="DELETE")).json(), "DeleteFileResponse")
    fits((await bench.call("models")).json(), "ListModelsResponse")


async def test_sound_and_its_events(bench: Bench) -> None:
    spoken = {"model": "sim-speech-tokens", "input": "hello", "voice": "alloy", "stream_format": "sse"}
    for payload in (await bench.call("audio/speech", spoken)).payloads:
        fits(payload, "SpeechAudioDoneEvent" if payload["type"].endswith("done") else "SpeechAudioDeltaEvent")
    heard = {"model": "sim-transcribe", "file": ("a.wav", wav(1))}
    for payload in (
        await bench.call("audio/transcriptions", form({**heard, "stream": "true"}), Content_Type=FORM)
    ).payloads:
        fits(payload, "TranscriptTextDoneEvent" if payload["type"].endswith("done") else "TranscriptTextDeltaEvent")
    fits(
        (await bench.call("audio/transcriptions", form(heard), Content_Type=FORM)).json(),
        "CreateTranscriptionResponseJson",
    )
    whisper = form({**heard, "model": "sim-whisper", "response_format": "verbose_json"})
    fits(
        (await bench.call("audio/transcriptions", whisper, Content_Type=FORM)).json(),
        "CreateTranscriptionResponseVerboseJson",
    )


async def test_pictures_and_their_events(bench: Bench) -> None:
    drawn = {"model": "sim-image", "prompt": "x", "stream": True, "partial_images": 1}
    partial, completed = (await bench.call("images/generations", drawn)).named
    fits(partial[1], "ImageGenPartialImageEvent")
    fits(completed[1], "ImageGenCompletedEvent")


async def test_errors_and_books(bench: Bench) -> None:
    fits((await bench.call("responses", {"model": "sim-fast"})).json()["error"], "Error")
    await bench.ask(bench.request())
    for what in ("usage/completions", "usage/images", "costs"):
        url = f"organization/{what}?start_time=1795132800&limit=1"
        fits((await bench.call(url, Authorization="Bearer sk-admin")).json(), "UsageResponse")
