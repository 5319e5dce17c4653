"""Reading a chat completion request as strictly as OpenAI does."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from talkmeter.simulator.faults import Fault, parse_fault
from talkmeter.simulator.refusals import Refusal

# The request's fields in OpenAI's specification 2.3.0; `simulate` is the simulator's own.
_FIELDS = frozenset(  # one name a line would be a page
    """messages model metadata top_logprobs temperature top_p user safety_identifier prompt_cache_key
    prompt_cache_retention prompt_cache_options service_tier modalities verbosity reasoning_effort
    max_completion_tokens frequency_penalty presence_penalty web_search_options response_format audio store
    moderation stream stop logit_bias logprobs max_tokens n prediction seed stream_options tools tool_choice
    parallel_tool_calls function_call functions simulate""".split()  # noqa: SIM905
)
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_PARTS = ("text", "image_url", "input_audio", "file", "refusal")
_RANGES = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "frequency_penalty": (-2.0, 2.0),
    "presence_penalty": (-2.0, 2.0),
}


class Asked(NamedTuple):
    """A valid request. body: as it came, without `simulate`. max_tokens: of either name, None = no limit."""

    model: str
    body: dict[str, Any]
    messages: list[dict[str, Any]]
    stream: bool
    include_usage: bool
    include_obfuscation: bool
    max_tokens: int | None
    stop: tuple[str, ...]
    fault: Fault | None


def decode(raw: bytes) -> dict[str, Any]:
    """The request's JSON object. Raises Refusal 400: not JSON, not an object, NaN, lone surrogates."""
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refusal(400, f"The body of the request is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refusal(400, "The body of the request must be a JSON object.")
    return body


def decode_header(value: str) -> Any:
    """The JSON value of an X-Simulate header. Raises Refusal 400."""
    try:
        return msgspec.json.decode(value.encode("utf-8", "surrogateescape"))
    except msgspec.DecodeError as error:
        raise Refusal(400, f"The X-Simulate header is not valid JSON: {error}", param="X-Simulate") from error


def model_of(body: Mapping[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Refusal(400, "you must provide a model parameter")
    return model


def read(body: dict[str, Any], *, reasons: bool) -> Asked:
    """Check every field that OpenAI checks. `reasons`: the model refuses what reasoning models refuse."""
    model = model_of(body)
    for name in body:
        if name not in _FIELDS:
            raise Refusal(400, f"Unrecognized request argument supplied: {name}")
    messages = _messages(body)
    for name, (least, most) in _RANGES.items():
        _decimal(body, name, least, most)
    if body.get("n") not in (None, 1):
        raise Refusal(
            400,
            "Unsupported value: 'n' must be 1: the simulator gives one answer.",
            param="n",
            code="unsupported_value",
        )
    if reasons:
        _refuse_what_reasoning_models_refuse(body)
    _object(body, "response_format")
    if body.get("reasoning_effort") not in (None, *_EFFORTS):
        raise _unsupported("reasoning_effort", body["reasoning_effort"], _EFFORTS)
    options = _object(body, "stream_options")
    stream = _boolean(body, "stream")
    if options and not stream:
        raise Refusal(
            400,
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
        )
    simulate = body.get("simulate")
    return Asked(
        model=model,
        body={name: value for name, value in body.items() if name != "simulate"},
        messages=messages,
        stream=stream,
        include_usage=bool(options.get("include_usage", False)),
        include_obfuscation=bool(options.get("include_obfuscation", True)),
        max_tokens=_max_tokens(body),
        stop=_stop(body),
        fault=None if simulate is None else parse_fault(simulate, "simulate"),
    )


def _messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = body.get("messages")
    if messages is None:
        raise Refusal(
            400,
            "Missing required parameter: 'messages'.",
            param="messages",
            code="missing_required_parameter",
        )
    if not isinstance(messages, list):
        raise _wrong_type("messages", "an array of objects", messages)
    if not messages:
        raise Refusal(
            400,
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
            param="messages",
            code="empty_array",
        )
    for index, message in enumerate(messages):
        _message(f"messages[{index}]", message)
    return messages


def _message(where: str, message: Any) -> None:
    if not isinstance(message, dict):
        raise _wrong_type(where, "an object", message)
    role = message.get("role")
    if role not in _ROLES:
        raise _unsupported(f"{where}.role", role, _ROLES)
    content = message.get("content")
    if content is None and role == "assistant":
        return
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise _wrong_type(f"{where}.content", "a string or an array of objects", content)
    for number, part in enumerate(content):
        _part(f"{where}.content[{number}]", part)


def _part(where: str, part: Any) -> None:
    if not isinstance(part, dict):
        raise _wrong_type(where, "an object", part)
    kind = part.get("type")
    if kind not in _PARTS:
        raise _unsupported(f"{where}.type", kind, _PARTS)
    if kind == "text" and not isinstance(part.get("text"), str):
        raise _wrong_type(f"{where}.text", "a string", part.get("text"))
    if kind == "image_url":
        url = part["image_url"].get("url") if isinstance(part.get("image_url"), dict) else None
        if not isinstance(url, str) or not url.startswith(("data:image/", "https://", "http://")):
            raise Refusal(
                400,
                f"Invalid '{where}.image_url.url': expected an http(s) URL or a data URL of an image.",
                param=f"{where}.image_url.url",
                code="invalid_image_url",
            )


def _decimal(body: Mapping[str, Any], name: str, least: float, most: float) -> None:
    value = body.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_type(name, "a decimal", value)
    _in_range("decimal", name, value, least, most)


def _in_range(kind: str, name: str, value: float, least: float, most: float) -> None:
    if value > most:
        raise Refusal(
            400,
            f"Invalid '{name}': {kind} above maximum value. Expected a value <= {most:g}, but got {value:g}.",
            param=name,
            code=f"{kind}_above_max_value",
        )
    if value < least:
        raise Refusal(
            400,
            f"Invalid '{name}': {kind} below minimum value. Expected a value >= {least:g}, but got {value:g}.",
            param=name,
            code=f"{kind}_below_min_value",
        )


def _max_tokens(body: Mapping[str, Any]) -> int | None:
    given = [name for name in ("max_tokens", "max_completion_tokens") if body.get(name) is not None]
    if not given:
        return None
    if len(given) == 2:
        raise Refusal(
            400,
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            param="max_tokens",
            code="invalid_parameter_combination",
        )
    value = body[given[0]]
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong_type(given[0], "an integer", value)
    _in_range("integer", given[0], value, 1, 128_000)
    return value


def _stop(body: Mapping[str, Any]) -> tuple[str, ...]:
    stop = body.get("stop")
    stops = [] if stop is None else [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or not all(isinstance(one, str) and one for one in stops):
        raise _wrong_type("stop", "a string or an array of strings, none empty", stop)
    if len(stops) > 4:
        raise Refusal(
            400,
            f"Invalid 'stop': array too long. Expected at most 4 sequences, but got {len(stops)}.",
            param="stop",
            code="array_above_max_length",
        )
    return tuple(stops)


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong_type(name, "an object", value)
    return value


def _boolean(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise _wrong_type(name, "a boolean", value)
    return value


def _refuse_what_reasoning_models_refuse(body: Mapping[str, Any]) -> None:
    if body.get("max_tokens") is not None:
        raise Refusal(
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model."
            " Use 'max_completion_tokens' instead.",
            param="max_tokens",
            code="unsupported_parameter",
        )
    for name in ("temperature", "top_p"):
        if body.get(name) not in (None, 1):
            raise Refusal(
                400,
                f"Unsupported value: '{name}' does not support {body[name]} with this model."
                " Only the default (1) value is supported.",
                param=name,
                code="unsupported_value",
            )


def _wrong_type(name: str, expected: str, value: Any) -> Refusal:
    names: dict[type, str] = {
        str: "a string",
        bool: "a boolean",
        int: "an integer",
        float: "a decimal",
        list: "an array",
        dict: "an object",
        type(None): "null",
    }
    return Refusal(
        400,
        f"Invalid type for '{name}': expected {expected}, but got {names[type(value)]} instead.",
        param=name,
        code="invalid_type",
    )


def _unsupported(name: str, value: Any, possible: tuple[str, ...]) -> Refusal:
    listed = ", ".join(f"'{one}'" for one in possible)
    return Refusal(
        400,
        f"Invalid value: {value!r} at '{name}'. Supported values are: {listed}.",
        param=name,
        code="invalid_value",
    )
