"""Rough figures for what is neither text nor image."""

import base64
import struct
from typing import Any

from talkmeter.metering.tokens.loose import as_object, as_text

_TOKENS_PER_SECOND = 10  # recorded once: 0.2 s of WAV cost 2 audio tokens
_COMPRESSED_BYTES_PER_SECOND = 16_000  # 128 kbit/s
_WAV_HEAD = 44


def audio_tokens(audio: Any) -> int:
    """Estimate the tokens of an ``input_audio`` part (base64 `data`, `format` wav or mp3).

    Seconds come from the WAV header's byte rate, for other formats from 128 kbit/s.
    """
    data = as_text(as_object(audio).get("data"))
    size = len(data) * 3 // 4
    rate = _wav_rate(data) or _COMPRESSED_BYTES_PER_SECOND
    return max(1 if data else 0, round(_TOKENS_PER_SECOND * size / rate))


def _wav_rate(data: str) -> int:
    """Bytes per second as a WAV header tells, or 0."""
    try:
        head = base64.b64decode(data[: _WAV_HEAD // 3 * 4 + 4])
        if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
            return 0
        rate: int = struct.unpack_from("<I", head, 28)[0]
    except (ValueError, struct.error):
        return 0
    return rate
