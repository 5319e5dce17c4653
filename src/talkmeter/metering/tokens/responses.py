"""Tokens of a Responses API request: the chat formula, reached by translating its items.

`instructions` are a system message in front. What the provider keeps itself (an earlier response, a
conversation, a stored prompt) cannot be counted from here and makes the figure an estimate.
"""

from collections.abc import Iterator

from talkmeter.metering.tokens.chat import count_request
from talkmeter.metering.tokens.counts import Line, PromptCount, prompt_count
from talkmeter.metering.tokens.images import ImageSizer, data_url_size
from talkmeter.metering.tokens.loose import Json, as_object, as_objects, as_text

_KEPT_BY_PROVIDER = ("previous_response_id", "conversation", "prompt")


def count_responses_prompt(request: Json, model: str, *, image_size: ImageSizer = data_url_size) -> PromptCount:
    """Count the prompt of a Responses API request (OpenAI's JSON body) for `model`.

    Json indexes in the lines count the translated messages: `instructions` is 0 where present, and
    neighbouring function calls are one message. Otherwise as count_prompt.
    """
    messages = list(_messages(request))
    counted = count_request(_as_chat(request), messages, model, image_size, "responses")
    kept = [Line("history", None, 0, "estimate") for key in _KEPT_BY_PROVIDER if request.get(key) is not None]
    return prompt_count([*counted.lines, *kept], counted.encoding) if kept else counted


def _as_chat(request: Json) -> Json:
    tools = [
        {"type": "function", "function": tool} if tool.get("type") == "function" else tool
        for tool in as_objects(request.get("tools"))
    ]
    response_format = as_object(request.get("text")).get("format")
    return {"tools": tools, "tool_choice": request.get("tool_choice"), "response_format": response_format}


def _messages(request: Json) -> Iterator[Json]:
    instructions = request.get("instructions")
    if isinstance(instructions, str):
        yield {"role": "system", "content": instructions}
    given = request.get("input")
    if isinstance(given, str):
        yield {"role": "user", "content": given}
        return
    calls: list[Json] = []
    for item in as_objects(given):
        if item.get("type") == "function_call":
            calls.append(_call(item))
            continue
        if calls:
            yield {"role": "assistant", "tool_calls": calls}
            calls = []
        yield _message(item)
    if calls:
        yield {"role": "assistant", "tool_calls": calls}


def _call(item: Json) -> Json:
    function = {"name": item.get("name"), "arguments": item.get("arguments")}
    return {"id": item.get("call_id"), "function": function}


def _message(item: Json) -> Json:
    kind = item.get("type", "message")
    if kind == "function_call_output":
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")}
    if kind == "message":
        return item
    # Reasoning and the traces of hosted tools: their cost is not in what we can read.
    return {"role": "assistant", "content": [{"type": as_text(kind)}]}
