"""The smallest valid request to each endpoint of the simulator."""

import json
import struct
from typing import Any

BOUNDARY = "a-boundary-of-the-tests"


def smallest(kind: str, model: str) -> tuple[str, dict[str, Any]]:
    """Path below /v1 and body; a file is given as bytes, or (name, bytes)."""
    return {
        "chat": ("chat/completions", {"model": model, "messages": [{"role": "user", "content": "hello"}]}),
        "response": ("responses", {"model": model, "input": "hello"}),
        "completion": ("completions", {"model": model, "prompt": "hello"}),
        "embedding": ("embeddings", {"model": model, "input": "hello"}),
        "moderation": ("moderations", {"model": model, "input": "hello"}),
        "image": ("images/generations", {"model": model, "prompt": "a lighthouse"}),
        "speech": ("audio/speech", {"model": model, "input": "hello", "voice": "alloy"}),
        "transcription": ("audio/transcriptions", {"model": model, "file": ("a.wav", wav(1.0))}),
    }[kind]


def wav(seconds: float, rate: int = 8000) -> bytes:
    """Silence: mono, 16 bit."""
    data = bytes(round(seconds * rate) * 2)
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(data),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        rate,
        rate * 2,
        2,
        16,
        b"data",
        len(data),
    )
    return head + data


def form(fields: dict[str, Any]) -> bytes:
    """A multipart form: bytes and (name, bytes) are files, lists are repeated, objects are JSON."""
    parts = []
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            shown = f"{name}[]" if isinstance(value, list) else name
            parts.append(_part(shown, one))
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


FORM = f"multipart/form-data; boundary={BOUNDARY}"


def _part(name: str, value: Any) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
    if isinstance(value, bytes):
        value = ("file", value)
    if isinstance(value, tuple):
        filename, data = value
        return (
            f'{head}; filename="{filename}"\r\nContent-Type: application/octet-stream\r\n\r\n'.encode() + data + b"\r\n"
        )
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{head}\r\n\r\n{text}\r\n".encode()
