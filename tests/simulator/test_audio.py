"""Speech and its opposite: by characters, by tokens, by seconds."""

import base64
import json
import wave
from io import BytesIO
from typing import Any

import pytest

from support.raw_http import Answer
from support.simulator_bench import Bench, tokens_of
from support.simulator_requests import FORM, form, wav
from talkmeter.simulator import sounds

SAID = "안녕하세요 😀"


async def speak(bench: Bench, model: str = "sim-speech", **fields: Any) -> Answer:
    return await bench.call("audio/speech", {"model": model, "input": SAID, "voice": "alloy", **fields})


async def hear(bench: Bench, seconds: float = 2.5, model: str = "sim-transcribe", **fields: Any) -> Answer:
    path = fields.pop("path", "audio/transcriptions")
    body = form({"model": model, "file": ("a.wav", wav(seconds)), **fields})
    return await bench.call(path, body, Content_Type=FORM)


@pytest.mark.parametrize(
    ("wanted", "kind"), [(None, "audio/mpeg"), ("wav", "audio/wav"), ("pcm", "audio/pcm"), ("opus", "audio/ogg")]
)
async def test_speech_by_characters(bench: Bench, wanted: str | None, kind: str) -> None:
    answer = await speak(bench, response_format=wanted)
    assert (answer.status, answer.headers["content-type"], answer.ended) == (200, kind, "complete")
    row = bench.row
    assert (row.characters, bench.charged(), row.outcome, row.usage_sent) == (len(SAID), (0, 0), "finished", None)
    assert row.sent_bytes == len(answer.body) > 100
    if wanted == "wav":
        with wave.open(BytesIO(answer.body)) as opened:
            assert opened.getnframes() / opened.getframerate() == pytest.approx(0.01 * len(SAID))


async def test_speech_comes_in_chunks_and_is_charged_even_if_it_breaks_off(bench: Bench) -> None:
    long = "one two three " * 200
    answer = await speak(bench, input=long, response_format="pcm")
    assert len(answer.chunks) > 10
    cut = await speak(bench, input=long, response_format="pcm", simulate={"fault": "cut", "after_bytes": 5000})
    assert (len(cut.body), bench.row.outcome, bench.row.characters) == (5000, "cut", len(long))
    refused = await speak(bench, simulate={"fault": "500"})
    assert (refused.status, bench.row.characters) == (500, 0)


async def test_speech_by_tokens_tells_them_in_its_events(bench: Bench) -> None:
    answer = await speak(bench, "sim-speech-tokens", stream_format="sse", instructions="softly", response_format="pcm")
    *deltas, done = answer.payloads
    assert {one["type"] for one in deltas} == {"speech.audio.delta"}
    assert len(b"".join(base64.b64decode(one["audio"]) for one in deltas)) == 2 * round(0.01 * len(SAID) * sounds.RATE)
    said, heard = tokens_of(SAID) + tokens_of("softly"), 2 * len(SAID)
    assert done == {
        "type": "speech.audio.done",
        "usage": {"input_tokens": said, "output_tokens": heard, "total_tokens": said + heard},
    }
    assert (bench.charged(), bench.row.characters) == ((said, heard), len(SAID))
    plain = await speak(bench, "sim-speech-tokens")
    assert b"usage" not in plain.body
    assert bench.charged() == (tokens_of(SAID), heard)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": "x" * 4097}, "input"),
        ({"voice": None}, "voice"),
        ({"speed": 5}, "speed"),
        ({"response_format": "midi"}, "response_format"),
        ({"stream_format": "sse"}, "stream_format"),
    ],
)
async def test_what_cannot_be_said(bench: Bench, changes: dict[str, Any], param: str) -> None:
    answer = await speak(bench, **changes)
    assert (answer.status, answer.json()["error"]["param"]) == (400, param)


async def test_a_transcription_by_tokens(bench: Bench) -> None:
    answer = (await hear(bench, prompt="names")).json()
    heard, told, said = 25, tokens_of("names"), tokens_of(answer["text"])
    assert answer["usage"] == {
        "type": "tokens",
        "input_tokens": heard + told,
        "input_token_details": {"text_tokens": told, "audio_tokens": heard},
        "output_tokens": said,
        "total_tokens": heard + told + said,
    }
    row = bench.row
    assert (row.prompt_tokens, row.prompt_audio_tokens, row.completion_tokens) == (heard + told, heard, said)
    assert (row.seconds, row.endpoint) == (3, "/v1/audio/transcriptions")


async def test_a_streamed_transcription(bench: Bench) -> None:
    answer = await hear(bench, stream="true", simulate={"answer": "one two three"})
    *deltas, done = answer.payloads
    assert "".join(one["delta"] for one in deltas) == "one two three" == done["text"]
    assert (done["type"], done["usage"]["output_tokens"], answer.events[-1]) == ("transcript.text.done", 3, b"[DONE]")
    assert bench.charged() == (25, 3)
    await hear(bench, stream="true", simulate={"answer": "one two three", "fault": "error-in-200", "after_events": 2})
    assert (bench.charged(), bench.row.prompt_audio_tokens, bench.row.seconds) == ((25, 2), 25, 3)


@pytest.mark.parametrize("wanted", ["json", "text", "srt", "vtt", "verbose_json"])
async def test_a_transcription_by_seconds(bench: Bench, wanted: str) -> None:
    answer = await hear(bench, 61.2, "sim-whisper", response_format=wanted, simulate={"answer": "hello there"})
    assert b"hello there" in answer.body
    if "json" in wanted:
        assert answer.json()["usage"] == {"type": "duration", "seconds": 62}
    else:
        assert answer.headers["content-type"] == "text/plain"
    if wanted == "verbose_json":
        assert (answer.json()["duration"], answer.json()["task"]) == (pytest.approx(61.2), "transcribe")
    if wanted in ("srt", "vtt"):
        assert answer.body.decode().splitlines()[1 if wanted == "srt" else 2].startswith("00:00:00")
    assert (bench.row.seconds, bench.charged()) == (62, (0, 0))


async def test_a_translation_tells_no_usage(bench: Bench) -> None:
    answer = await hear(bench, 4.0, "sim-whisper", path="audio/translations")
    assert set(answer.json()) == {"text"}
    assert (bench.row.seconds, bench.row.endpoint) == (4, "/v1/audio/translations")


async def test_what_cannot_be_heard(bench: Bench) -> None:
    for fields in ({"model": "sim-transcribe"}, {"model": "sim-transcribe", "file": b""}, {"file": wav(1)}):
        assert (await bench.call("audio/transcriptions", form(fields), Content_Type=FORM)).status == 400
    assert (await hear(bench, response_format="srt")).json()["error"]["param"] == "response_format"
    assert (await hear(bench, simulate="{")).status == 400
    assert (await bench.call("audio/transcriptions", json.dumps({}).encode())).status == 400


def test_how_long_a_sound_is() -> None:
    assert sounds.seconds_of(wav(1.5)) == 1.5
    assert sounds.seconds_of(sounds.wav(0.25)) == 0.25
    assert sounds.seconds_of(wav(2.0)[:-16_000]) == 1.0
    assert sounds.seconds_of(b"x" * 32_000) == 2.0
    assert sounds.seconds_of(wav(1)[:30]) == 0.0
