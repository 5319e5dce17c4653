"""Checking the fields of a request as strictly as OpenAI does, whatever the endpoint."""

from collections.abc import Mapping
from typing import Any

import msgspec

from talkmeter.simulator.refusals import Refusal


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


def model_of(body: Mapping[str, Any], default: str | None = None) -> str:
    model = body.get("model", default)
    if not isinstance(model, str) or not model:
        raise Refusal(400, "you must provide a model parameter")
    return model


def known(body: Mapping[str, Any], fields: frozenset[str]) -> None:
    """Refuse every field that OpenAI's specification does not have; `simulate` is the simulator's own."""
    for name in body:
        if name not in fields and name != "simulate":
            raise Refusal(400, f"Unrecognized request argument supplied: {name}")


def required(body: Mapping[str, Any], name: str) -> Any:
    if body.get(name) is None:
        raise missing(name)
    return body[name]


def decimal(body: Mapping[str, Any], name: str, least: float, most: float) -> None:
    value = body.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(name, "a decimal", value)
    _in_range("decimal", name, value, least, most)


def integer(body: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(name, "an integer", value)
    _in_range("integer", name, value, least, most)
    return value


def text(body: Mapping[str, Any], name: str, default: str = "") -> str:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    return value


def choice(body: Mapping[str, Any], name: str, possible: tuple[str, ...]) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if value not in possible:
        raise unsupported(name, value, possible)
    return str(value)


def object_(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong_type(name, "an object", value)
    return value


def boolean(body: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise wrong_type(name, "a boolean", value)
    return value


def stream_options(body: Mapping[str, Any], *, stream: bool) -> dict[str, Any]:
    options = object_(body, "stream_options")
    if options and not stream:
        raise Refusal(
            400,
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
        )
    return options


def stops(body: Mapping[str, Any]) -> tuple[str, ...]:
    stop = body.get("stop")
    listed = [] if stop is None else [stop] if isinstance(stop, str) else stop
    if not isinstance(listed, list) or not all(isinstance(one, str) and one for one in listed):
        raise wrong_type("stop", "a string or an array of strings, none empty", stop)
    if len(listed) > 4:
        raise Refusal(
            400,
            f"Invalid 'stop': array too long. Expected at most 4 sequences, but got {len(listed)}.",
            param="stop",
            code="array_above_max_length",
        )
    return tuple(listed)


def missing(name: str) -> Refusal:
    return Refusal(400, f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")


def empty(name: str) -> Refusal:
    return Refusal(
        400,
        f"Invalid '{name}': empty array. Expected an array with minimum length 1.",
        param=name,
        code="empty_array",
    )


def wrong_type(name: str, expected: str, value: Any) -> Refusal:
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


def unsupported(name: str, value: Any, possible: tuple[str, ...]) -> Refusal:
    listed = ", ".join(f"'{one}'" for one in possible)
    return Refusal(
        400,
        f"Invalid value: {value!r} at '{name}'. Supported values are: {listed}.",
        param=name,
        code="invalid_value",
    )


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
