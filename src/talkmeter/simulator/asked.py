"""Reading a chat completion request as strictly as OpenAI does."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from talkmeter.simulator import checks
from talkmeter.simulator.faults import Fault, parse_fault
from talkmeter.simulator.refusals import Refusal

# The request's fields in OpenAI's specification 2.3.0.
_FIELDS = frozenset(  # one name a line would be a page
    """messages model metadata top_logprobs temperature top_p user safety_identifier prompt_cache_key
    prompt_cache_retention prompt_cache_options service_tier modalities verbosity reasoning_effort
    max_completion_tokens frequency_penalty presence_penalty web_search_options response_format audio store
    moderation stream stop logit_bias logprobs max_tokens n prediction seed stream_options tools tool_choice
    parallel_tool_calls function_call functions""".split()  # noqa: SIM905
)
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_PARTS = ("text", "image_url", "input_audio", "file", "refusal")
_RANGES = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "frequency_penalty": (-2.0, 2.0),
    "presence_penalty": (-2.0, 2.0),
}


class Asked(NamedTuple):
    """A valid request for text, in the form of chat completions, whatever its dialect.

    body: as it came, without `simulate`. max_tokens: of either name, None = no limit. tools: functions by name.
    """

    model: str
    body: dict[str, Any]
    messages: list[dict[str, Any]]
    stream: bool
    include_usage: bool
    include_obfuscation: bool
    max_tokens: int | None
    stop: tuple[str, ...]
    choices: int = 1
    tools: dict[str, dict[str, Any]] = {}  # noqa: RUF012
    fault: Fault | None = None


def read(body: dict[str, Any], *, reasons: bool) -> Asked:
    """Check every field that OpenAI checks. `reasons`: the model refuses what reasoning models refuse."""
    checks.known(body, _FIELDS)
    messages = _messages(body)
    for name, (least, most) in _RANGES.items():
        checks.decimal(body, name, least, most)
    if reasons:
        _refuse_what_reasoning_models_refuse(body)
    checks.object_(body, "response_format")
    if body.get("reasoning_effort") not in (None, *EFFORTS):
        raise checks.unsupported("reasoning_effort", body["reasoning_effort"], EFFORTS)
    stream = checks.boolean(body, "stream")
    options = checks.stream_options(body, stream=stream)
    return Asked(
        model=checks.model_of(body),
        body={name: value for name, value in body.items() if name != "simulate"},
        messages=messages,
        stream=stream,
        include_usage=bool(options.get("include_usage", False)),
        include_obfuscation=bool(options.get("include_obfuscation", True)),
        max_tokens=_max_tokens(body),
        stop=checks.stops(body),
        choices=checks.integer(body, "n", 1, 128) or 1,
        tools=read_tools(body),
        fault=wish(body),
    )


def wish(body: Mapping[str, Any]) -> Fault | None:
    """The fault that the body itself asks for."""
    simulate = body.get("simulate")
    return None if simulate is None else parse_fault(simulate, "simulate")


def read_tools(body: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The function tools by name, in the form of chat completions."""
    tools = body.get("tools")
    if tools is None:
        return {}
    if not isinstance(tools, list):
        raise checks.wrong_type("tools", "an array of objects", tools)
    found: dict[str, dict[str, Any]] = {}
    for index, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
        if function is None and isinstance(tool, dict) and tool.get("type") not in (None, "function"):
            continue
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise checks.missing(f"tools[{index}].function")
        found[function["name"]] = function
    return found


def _messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = body.get("messages")
    if messages is None:
        raise checks.missing("messages")
    if not isinstance(messages, list):
        raise checks.wrong_type("messages", "an array of objects", messages)
    if not messages:
        raise checks.empty("messages")
    for index, message in enumerate(messages):
        _message(f"messages[{index}]", message)
    return messages


def _message(where: str, message: Any) -> None:
    if not isinstance(message, dict):
        raise checks.wrong_type(where, "an object", message)
    role = message.get("role")
    if role not in _ROLES:
        raise checks.unsupported(f"{where}.role", role, _ROLES)
    content = message.get("content")
    if content is None and role == "assistant":
        return
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise checks.wrong_type(f"{where}.content", "a string or an array of objects", content)
    for number, part in enumerate(content):
        _part(f"{where}.content[{number}]", part)


def _part(where: str, part: Any) -> None:
    if not isinstance(part, dict):
        raise checks.wrong_type(where, "an object", part)
    kind = part.get("type")
    if kind not in _PARTS:
        raise checks.unsupported(f"{where}.type", kind, _PARTS)
    if kind == "text" and not isinstance(part.get("text"), str):
        raise checks.wrong_type(f"{where}.text", "a string", part.get("text"))
    if kind == "image_url":
        url = part["image_url"].get("url") if isinstance(part.get("image_url"), dict) else None
        if not isinstance(url, str) or not url.startswith(("data:image/", "https://", "http://")):
            raise Refusal(
                400,
                f"Invalid '{where}.image_url.url': expected an http(s) URL or a data URL of an image.",
                param=f"{where}.image_url.url",
                code="invalid_image_url",
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
    return checks.integer(body, given[0], 1, 128_000)


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
