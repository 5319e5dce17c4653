"""Reading a request to the Responses API, and saying it in the form of chat completions."""

from collections.abc import Iterator, Mapping
from typing import Any

from talkmeter.simulator import checks
from talkmeter.simulator.asked import EFFORTS, Asked, read_tools, wish
from talkmeter.simulator.refusals import Refusal

_FIELDS = frozenset(
    """background context_management conversation include input instructions max_output_tokens max_tool_calls
    metadata model moderation parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_options
    prompt_cache_retention reasoning safety_identifier service_tier store stream stream_options temperature text
    tool_choice tools top_logprobs top_p truncation user""".split()  # noqa: SIM905
)
_ROLES = ("user", "assistant", "system", "developer")
_TEXTS = ("input_text", "output_text", "text")
_LEAST_OUTPUT = 16  # tokens, as OpenAI has it

Item = dict[str, Any]


def read(body: dict[str, Any], context: list[Item], *, reasons: bool) -> Asked:
    """Check the request; context: the items that an earlier response stands for."""
    checks.known(body, _FIELDS)
    checks.decimal(body, "temperature", 0.0, 2.0)
    checks.decimal(body, "top_p", 0.0, 1.0)
    if reasons:
        _refuse_what_reasoning_models_refuse(body)
    if not isinstance(body.get("include") or [], list):
        raise checks.wrong_type("include", "an array of strings", body["include"])
    reasoning = checks.object_(body, "reasoning")
    checks.choice(reasoning, "effort", EFFORTS)
    stream = checks.boolean(body, "stream")
    options = checks.stream_options(body, stream=stream)
    messages = list(_messages([*context, *items_of(body)], checks.text(body, "instructions")))
    return Asked(
        model=checks.model_of(body),
        body=_as_chat(body, reasoning),
        messages=messages,
        stream=stream,
        include_usage=True,
        include_obfuscation=bool(options.get("include_obfuscation", True)),
        max_tokens=checks.integer(body, "max_output_tokens", _LEAST_OUTPUT, 128_000),
        stop=(),
        tools=read_tools({"tools": _tools(body)}),
        fault=wish(body),
    )


def items_of(body: Mapping[str, Any]) -> list[Item]:
    """The request's input as items."""
    given = body.get("input")
    if given is None and (body.get("prompt") is not None or body.get("previous_response_id") is not None):
        return []
    if given is None:
        raise checks.missing("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    if not isinstance(given, list):
        raise checks.wrong_type("input", "a string or an array of objects", given)
    for index, item in enumerate(given):
        _check_item(f"input[{index}]", item)
    return given


def _check_item(where: str, item: Any) -> None:
    if not isinstance(item, dict):
        raise checks.wrong_type(where, "an object", item)
    if item.get("type", "message") != "message":
        return
    if item.get("role") not in _ROLES:
        raise checks.unsupported(f"{where}.role", item.get("role"), _ROLES)
    content = item.get("content")
    if not isinstance(content, str | list):
        raise checks.wrong_type(f"{where}.content", "a string or an array of objects", content)
    for number, part in enumerate(content if isinstance(content, list) else ()):
        if not isinstance(part, dict):
            raise checks.wrong_type(f"{where}.content[{number}]", "an object", part)
        if part.get("type") in _TEXTS and not isinstance(part.get("text"), str):
            raise checks.wrong_type(f"{where}.content[{number}].text", "a string", part.get("text"))


def _messages(items: list[Item], instructions: str) -> Iterator[dict[str, Any]]:
    if instructions:
        yield {"role": "system", "content": instructions}
    for item in items:
        kind = item.get("type", "message")
        if kind == "message":
            yield {"role": item["role"], "content": _content(item["content"])}
        elif kind == "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            call = {"id": item.get("call_id"), "type": "function", "function": function}
            yield {"role": "assistant", "content": None, "tool_calls": [call]}
        elif kind == "function_call_output":
            yield {"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")}


def _content(content: Any) -> Any:
    if isinstance(content, str):
        return content
    parts: list[dict[str, Any]] = []
    for part in content:
        if part.get("type") in _TEXTS:
            parts.append({"type": "text", "text": part["text"]})
        elif part.get("type") == "input_image":
            parts.append({"type": "image_url", "image_url": {"url": part.get("image_url") or ""}})
    return parts


def _tools(body: Mapping[str, Any]) -> list[Any]:
    tools = body.get("tools") or []
    if not isinstance(tools, list):
        raise checks.wrong_type("tools", "an array of objects", tools)
    named = [tool for tool in tools if isinstance(tool, dict) and tool.get("type") == "function"]
    return [{"type": "function", "function": tool} for tool in named]


def _as_chat(body: Mapping[str, Any], reasoning: Mapping[str, Any]) -> dict[str, Any]:
    chosen = checks.object_(checks.object_(body, "text"), "format")
    return {
        "tools": _tools(body),
        "tool_choice": body.get("tool_choice"),
        "parallel_tool_calls": body.get("parallel_tool_calls"),
        "reasoning_effort": reasoning.get("effort"),
        "response_format": {**chosen, "json_schema": chosen} if chosen.get("type") == "json_schema" else chosen,
    }


def _refuse_what_reasoning_models_refuse(body: Mapping[str, Any]) -> None:
    for name in ("temperature", "top_p"):
        if body.get(name) not in (None, 1):
            raise Refusal(
                400,
                f"Unsupported parameter: '{name}' is not supported with this model.",
                param=name,
                code="unsupported_parameter",
            )
