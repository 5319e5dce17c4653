"""What a request's body says about how much it can use at most. Pure; reads what the OpenAI-compatible API knows.

The input is bounded by an exact count, else by the bytes of the request: no tokenizer makes more tokens than there are
bytes. Pictures and recordings have bounds of their own; what the provider adds from elsewhere (files by id, stored
conversations, the findings of its tools) only fits into the model's context window.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, structs

from talkmeter.metering.cost import image_unit
from talkmeter.metering.models_info import ModelLimits
from talkmeter.metering.tokens import PromptCount
from talkmeter.metering.tool_fees import searches_in
from talkmeter.metering.worst_case import Bounds

FRAMING = 64  # tokens that surround a request beyond its bytes: the opening of the answer, hidden lines
TOOL_FRAMING = 128  # … and the definitions of tools, once
PICTURE = 48_169  # the dearest picture there is: 8 tiles of 5,667 and a base of 2,833 (gpt-4o-mini)
AUDIO_BYTES_PER_TOKEN = 50  # of base64; the leanest MP3 has about 130
AUDIO_BYTES_PER_SECOND = 250  # of a file; the leanest speech codecs in use have about 750
SPEECH_TOKENS_PER_CHARACTER = 12  # slow speech has about 1.5
PIXELS_PER_TOKEN = {"low": 3000, "medium": 800}  # of a picture that is drawn; `high` has 250, and 200 is its bound
LARGEST_PICTURE = 4096 * 4096  # drawn where no size is asked for
LOCAL_TOOLS = frozenset({"function", "custom", "local_shell", "apply_patch", "computer", "computer_use_preview"})
FREE_TOOLS = frozenset({"mcp", "tool_search"})  # nothing but the tokens that they find
FEES = {"web_search": "web_search", "web_search_preview": "web_search", "file_search": "file_search"}

_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")


def bounds_of(
    path: str,
    body: Mapping[str, Any],
    *,
    request_bytes: int,
    count: PromptCount | None = None,
    limits: ModelLimits,
) -> Bounds:
    """path: below `/v1/`. body: the JSON, or the fields of a form. request_bytes: its length on the wire.

    count: of this very body, if it was counted. An endpoint that is not known here has no bounds.
    """
    if path in ("chat/completions", "completions", "responses"):
        return _of_text(path, body, request_bytes, count, limits)
    if path in ("embeddings", "moderations"):
        return Bounds(input_tokens=_input(_Seen(), request_bytes, count, limits), output_tokens=0)
    if path in ("images/generations", "images/edits"):
        return _of_images(body, request_bytes)
    if path == "audio/speech":
        return _of_speech(body, request_bytes)
    if path in ("audio/transcriptions", "audio/translations"):
        return _of_recording(body, request_bytes, limits)
    return Bounds(input_tokens=None, output_tokens=None)


def output_asked(body: Mapping[str, Any]) -> int | None:
    """The output limit that a request sets; the largest where it sets several."""
    given = [_number(body.get(name)) for name in ("max_completion_tokens", "max_tokens", "max_output_tokens")]
    return max((number for number in given if number is not None), default=None)


class _Seen(Struct):
    """What a walk through a body has found."""

    pictures: int = 0
    picture_bytes: int = 0  # of pictures inside the body
    recordings: int = 0
    recording_bytes: int = 0
    elsewhere: bool = False  # part of the prompt is not in the body at all


def _of_text(
    path: str, body: Mapping[str, Any], request_bytes: int, count: PromptCount | None, limits: ModelLimits
) -> Bounds:
    seen = _look(body)
    tools = [str(tool.get("type")) for tool in _objects(body.get("tools"))]
    hosted = [kind for kind in tools if kind not in LOCAL_TOOLS]
    fees: dict[str, int | None] = {}
    choices = _choices(path, body)
    modalities = body.get("modalities")
    kinds = modalities if isinstance(modalities, list) else []
    into = _input(seen, request_bytes + TOOL_FRAMING * bool(tools), count, limits)
    if hosted:
        uses = _number(body.get("max_tool_calls"))
        into = None if uses is None or limits.context_window is None else limits.context_window * (uses + 1)
        fees = {FEES[kind]: uses for kind in map(_kind_of, hosted) if kind in FEES}
        fees |= {} if uses is not None else {"hosted tools": None}
    elif isinstance(body.get("web_search_options"), Mapping) or searches_in(str(body.get("model")), [False]):
        into, fees = limits.context_window, {"web_search": choices}
    return Bounds(
        input_tokens=into,
        output_tokens=_output(body, count, limits),
        choices=choices,
        tier=body.get("service_tier") if isinstance(body.get("service_tier"), str) else None,
        audio_input=seen.recordings > 0,
        image_input=seen.pictures > 0,
        audio_output="audio" in kinds or isinstance(body.get("audio"), Mapping),
        image_output="image" in kinds,
        quantities=fees,
        unpriced=tuple(f"the tool {kind} has no price" for kind in hosted if not _priced_tool(kind)),
    )


def _kind_of(kind: str) -> str:
    """`web_search_2025_08_26` is a web_search."""
    return next((known for known in FEES if re.fullmatch(rf"{known}(_\d.*)?", kind)), kind)


def _priced_tool(kind: str) -> bool:
    return _kind_of(kind) in FEES or kind in FREE_TOOLS


def _choices(path: str, body: Mapping[str, Any]) -> int:
    if path == "responses":
        return 1
    choices = max(_number(body.get("n")) or 1, _number(body.get("best_of")) or 1)
    prompts = body.get("prompt")
    if path == "completions" and isinstance(prompts, list) and not all(isinstance(one, int) for one in prompts):
        choices *= max(1, len(prompts))
    return choices


def _input(seen: _Seen, request_bytes: int, count: PromptCount | None, limits: ModelLimits) -> int | None:
    window = limits.context_window
    if seen.elsewhere:
        return window
    if count is not None and all(line.quality == "exact" or line.kind == "image" for line in count.lines):
        bound = sum(line.tokens * (1 if line.quality == "exact" else 2) for line in count.lines)
    else:
        text = max(0, request_bytes - seen.picture_bytes - seen.recording_bytes)
        recorded = seen.recording_bytes // AUDIO_BYTES_PER_TOKEN + seen.recordings
        bound = FRAMING + text + PICTURE * seen.pictures + recorded
    return bound if window is None else min(bound, window)


def _output(body: Mapping[str, Any], count: PromptCount | None, limits: ModelLimits) -> int | None:
    """Of one choice: what was asked for, else the model's limit, within what an exactly counted prompt leaves."""
    bound = output_asked(body) or limits.max_output_tokens
    window = limits.context_window
    if window is None:
        return bound
    rest = max(0, window - count.total) if count is not None and count.quality == "exact" else window
    return rest if bound is None else min(bound, rest)


def _look(body: Mapping[str, Any]) -> _Seen:
    seen = _Seen()
    seen.elsewhere = any(body.get(name) for name in ("previous_response_id", "conversation"))
    seen.elsewhere |= isinstance(body.get("prompt"), Mapping)  # a prompt that is stored at the provider
    waiting = [body.get("messages"), body.get("input")]
    while waiting:
        for part in _objects(waiting.pop()):
            _look_at(part, seen)
            waiting += [part.get("content"), part.get("output")]
    return seen


def _look_at(part: Mapping[str, Any], seen: _Seen) -> None:
    kind = part.get("type")
    if kind in ("image_url", "input_image"):
        seen.pictures += 1
        inner = part.get("image_url")
        url = inner.get("url") if isinstance(inner, Mapping) else inner
        seen.picture_bytes += len(url) if isinstance(url, str) and url.startswith("data:") else 0
    elif kind == "input_audio":
        seen.recordings += 1
        inner = part.get("input_audio")
        data = inner.get("data") if isinstance(inner, Mapping) else None
        seen.recording_bytes += len(data) if isinstance(data, str) else 0
    elif kind in ("file", "input_file", "video_url", "item_reference") or part.get("audio"):
        seen.elsewhere = True


def _of_images(body: Mapping[str, Any], request_bytes: int) -> Bounds:
    many = _number(body.get("n")) or 1
    model, size = str(body.get("model") or "dall-e-2"), str(body.get("size") or "auto")
    quality = str(body.get("quality") or "auto")
    unit = image_unit(
        size="1024x1024" if size == "auto" else size, quality="standard" if quality == "auto" else quality
    )
    match = _SIZE.fullmatch(size)
    pixels = int(match[1]) * int(match[2]) if match else LARGEST_PICTURE
    drawn = -(-pixels // PIXELS_PER_TOKEN.get(quality, 200)) + 100 * (_number(body.get("partial_images")) or 0)
    given = [*_objects_or_one(body.get("image")), *_objects_or_one(body.get("mask"))]
    return _either(
        Bounds(
            input_tokens=FRAMING + request_bytes + PICTURE * len(given),
            output_tokens=drawn,
            choices=many,
            image_input=bool(given),
            image_output=True,
        ),
        {unit: many},
        likelier=not model.startswith("dall-e"),
    )


def _of_speech(body: Mapping[str, Any], request_bytes: int) -> Bounds:
    characters = len(str(body.get("input", "")))
    tokens = Bounds(input_tokens=request_bytes, output_tokens=characters * SPEECH_TOKENS_PER_CHARACTER)
    return _either(tokens, {"character": characters}, likelier=_in_tokens(body))


def _of_recording(body: Mapping[str, Any], request_bytes: int, limits: ModelLimits) -> Bounds:
    window = limits.context_window
    tokens = Bounds(input_tokens=window, output_tokens=limits.max_output_tokens or window, audio_input=True)
    return _either(tokens, {"second": request_bytes // AUDIO_BYTES_PER_SECOND + 1}, likelier=_in_tokens(body))


def _either(tokens: Bounds, quantities: Mapping[str, int | None], *, likelier: bool) -> Bounds:
    """Billed by tokens or by the piece, as its price says; `likelier` by tokens where there is none."""
    pieces = Bounds(input_tokens=0, output_tokens=0, quantities=quantities)
    first, other = (tokens, pieces) if likelier else (pieces, tokens)
    return structs.replace(first, instead=other)


def _in_tokens(body: Mapping[str, Any]) -> bool:
    """Speech and transcription of the GPT models are billed in tokens, of the others by characters or seconds."""
    return str(body.get("model")).startswith("gpt-4o")


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    return (one for one in value if isinstance(one, Mapping)) if isinstance(value, list) else iter(())


def _objects_or_one(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _number(value: Any) -> int | None:
    """A positive whole number, also as lenient servers read it (3.0, "3"); None: not said, or nothing to go by."""
    if value is None:
        return None
    try:
        number = value if type(value) is int else int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number > 0 else None
