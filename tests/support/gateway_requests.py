"""A request to each endpoint that /v1 passes through, whole and streamed."""

import json
from dataclasses import dataclass
from typing import Any

from support.simulator_requests import FORM, form, wav

JSON = "application/json"
QUESTION = "say: 하나 둘 셋, one two three"


@dataclass(frozen=True)
class Request:
    """path: below /v1. events: of its answer, if it is streamed, without a fault."""

    name: str
    path: str
    body: bytes
    kind: str = JSON
    streamed: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def headers(self) -> dict[str, str]:
        return {"content_type": self.kind}

    @property
    def model(self) -> str:
        return next(known for known in _MODELS if known.encode() in self.body)

    def of_model(self, model: str) -> "Request":
        """The same, of another model."""
        body = self.body.replace(self.model.encode(), model.encode())
        return Request(self.name, self.path, body, self.kind, self.streamed)


_MODELS = (
    "sim-fast", "sim-instruct", "sim-embedding", "sim-moderation", "sim-image-classic", "sim-image",
    "sim-speech-tokens", "sim-speech", "sim-transcribe", "sim-whisper",
)  # fmt: skip


def _json(name: str, path: str, **body: Any) -> Request:
    streamed = body.get("stream") is True or body.get("stream_format") == "sse"
    return Request(name, path, json.dumps(body, ensure_ascii=False).encode(), JSON, streamed)


def _form(name: str, path: str, **fields: Any) -> Request:
    return Request(name, path, form(fields), FORM, fields.get("stream") == "true")


_MESSAGES = [{"role": "user", "content": QUESTION}]
_USAGE = {"include_usage": True}
_TOOLS = {
    "messages": [{"role": "user", "content": 'tool: find_words {"in": "하나 둘", "most": 3}\ntool: add {"a": 1, "b": 22}'}],
    "tools": [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
              for name in ("find_words", "add")],
}  # fmt: skip
_FUNCTIONS = {
    "input": _TOOLS["messages"],
    "tools": [{"type": "function", "name": name, "parameters": {"type": "object"}} for name in ("find_words", "add")],
}
_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
REQUESTS = (
    _json("chat", "chat/completions", model="sim-fast", messages=_MESSAGES),
    _json("chat-stream", "chat/completions", model="sim-fast", messages=_MESSAGES, stream=True, stream_options=_USAGE),
    _json("chat-stream-unasked", "chat/completions", model="sim-fast", messages=_MESSAGES, stream=True),
    _json("chat-choices", "chat/completions", model="sim-fast", messages=_MESSAGES, n=3),
    _json("chat-choices-stream", "chat/completions", model="sim-fast", messages=_MESSAGES, n=3, stream=True,
          stream_options=_USAGE),
    _json("chat-tools", "chat/completions", model="sim-fast", **_TOOLS),
    _json("chat-tools-stream", "chat/completions", model="sim-fast", **_TOOLS, stream=True, stream_options=_USAGE),
    _json("responses", "responses", model="sim-fast", input=QUESTION),
    _json("responses-stream", "responses", model="sim-fast", input=QUESTION, stream=True),
    _json("responses-tools-stream", "responses", model="sim-fast", **_FUNCTIONS, stream=True),
    _json("completions", "completions", model="sim-instruct", prompt=QUESTION, max_tokens=40),
    _json("completions-stream", "completions", model="sim-instruct", prompt=QUESTION, max_tokens=40, stream=True,
          stream_options=_USAGE),
    _json("completions-stream-unasked", "completions", model="sim-instruct", prompt=QUESTION, max_tokens=40,
          stream=True),
    _json("embeddings", "embeddings", model="sim-embedding", input=["하나", "둘"]),
    _json("moderations", "moderations", model="sim-moderation", input="flag: violence"),
    _json("images", "images/generations", model="sim-image", prompt="a lighthouse", size="1024x1024"),
    _json("images-stream", "images/generations", model="sim-image", prompt="a lighthouse", stream=True,
          partial_images=1),
    _json("images-classic", "images/generations", model="sim-image-classic", prompt="a lighthouse", n=2,
          response_format="b64_json"),
    _form("edits", "images/edits", model="sim-image", prompt="a lighthouse at night", image=("a.png", _PNG)),
    _json("speech", "audio/speech", model="sim-speech", input="안녕하세요 hello", voice="alloy"),
    _json("speech-stream", "audio/speech", model="sim-speech-tokens", input="hello", voice="alloy",
          stream_format="sse"),
    _form("transcription", "audio/transcriptions", model="sim-transcribe", file=("a.wav", wav(2.4))),
    _form("transcription-stream", "audio/transcriptions", model="sim-transcribe", file=("a.wav", wav(2.4)),
          stream="true"),
    _form("transcription-seconds", "audio/transcriptions", model="sim-whisper", file=("a.wav", wav(2.4))),
    _form("translation", "audio/translations", model="sim-whisper", file=("a.wav", wav(2.4))),
)  # fmt: skip
STREAMED = tuple(one for one in REQUESTS if one.streamed)
