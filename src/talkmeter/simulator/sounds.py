"""Sounds made in code, and how long a sound is."""

import math
import struct

RATE = 24_000  # samples a second, 16 bit, one channel
_MP3_FRAME = b"\xff\xfb\x90\xc4" + b"\0" * 413  # silence at 128 kbit/s, 44.1 kHz
_MP3_SECONDS = 1152 / 44_100
_BYTES_A_SECOND = 16_000  # of a sound whose header tells nothing: 128 kbit/s


def pcm(seconds: float) -> bytes:
    """A quiet tone."""
    period = [int(900 * math.sin(2 * math.pi * step / 60)) for step in range(60)]
    samples = round(seconds * RATE)
    return (struct.pack("<60h", *period) * (samples // 60 + 1))[: 2 * samples]


def wav(seconds: float) -> bytes:
    data = pcm(seconds)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE * 2, 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", 36 + len(data), b"WAVE") + form + struct.pack("<4sI", b"data", len(data)) + data
    )


def sound(form: str, seconds: float) -> bytes:
    """In the form that was asked for; those that need an encoder are a WAV all the same."""
    if form == "pcm":
        return pcm(seconds)
    if form == "mp3":
        return _MP3_FRAME * max(1, round(seconds / _MP3_SECONDS))
    return wav(seconds)


def seconds_of(data: bytes) -> float:
    """How long a sound is: a WAV by its header, anything else as 128 kbit/s."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return len(data) / _BYTES_A_SECOND
    rate, position = 0, 12
    while position + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, position)
        if kind == b"fmt " and position + 20 <= len(data):
            rate = struct.unpack_from("<I", data, position + 16)[0]
        elif kind == b"data":
            # Written while it was being recorded, a header may promise more than there is.
            return min(size, len(data) - position - 8) / rate if rate else 0.0
        position += 8 + size + size % 2
    return 0.0
