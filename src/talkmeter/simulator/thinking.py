"""Finding what to say to a request for text, and what it truly costs."""

import re
import secrets
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from talkmeter.simulator.answers import answer_text, last_question, reasoning_tokens
from talkmeter.simulator.asked import Asked
from talkmeter.simulator.charging import Charge
from talkmeter.simulator.counting import text_tokens
from talkmeter.simulator.faults import Fault
from talkmeter.simulator.models import CONTEXT_WINDOW, SimModel
from talkmeter.simulator.pieces import before_stop, within
from talkmeter.simulator.refusals import Refusal
from talkmeter.simulator.schemas import value_for

_TOOL = re.compile(r"^\s*tool:\s*(?P<name>[\w.-]+)\s*(?P<arguments>\{.*\})?\s*$", re.IGNORECASE | re.MULTILINE)


class Call(NamedTuple):
    """A function that the model wants called. arguments: JSON text, as it was asked for."""

    id: str
    name: str
    arguments: str


class Spoken(NamedTuple):
    """One of the answers. finish_reason: stop · length · tool_calls. tokens: of the text and the calls."""

    text: str
    finish_reason: str
    tokens: int
    calls: tuple[Call, ...] = ()


class Thought(NamedTuple):
    """All answers to a request. truth: what an honest provider reports for them."""

    spoken: tuple[Spoken, ...]
    truth: Charge


def think(asked: Asked, model: SimModel, fault: Fault, seed: int, *, prompt: int, cached: int) -> Thought:
    """The answers, cut where they have to end."""
    reasoning = reasoning_tokens(asked, seed) if model.reasons else 0
    if fault.reasoning_tokens is not None:
        reasoning = fault.reasoning_tokens
    if asked.max_tokens is not None:
        reasoning = min(reasoning, asked.max_tokens)
    spoken = tuple(_speak(asked, model, fault, seed + index, reasoning) for index in range(asked.choices))
    truth = Charge(
        prompt_tokens=prompt,
        cached_tokens=cached,
        completion_tokens=sum(one.tokens for one in spoken) + reasoning * asked.choices,
        reasoning_tokens=reasoning * asked.choices,
    )
    return Thought(spoken, truth)


def check_context(prompt: int, param: str = "messages") -> None:
    if prompt > CONTEXT_WINDOW:
        raise Refusal(
            400,
            f"This model's maximum context length is {CONTEXT_WINDOW} tokens. However, your {param}"
            f" resulted in {prompt} tokens. Please reduce the length of the {param}.",
            param=param,
            code="context_length_exceeded",
        )


def _speak(asked: Asked, model: SimModel, fault: Fault, seed: int, reasoning: int) -> Spoken:
    calls = () if fault.answer is not None else tuple(_calls(asked))
    if calls:
        parts = [part for call in calls for part in (call.name, call.arguments)]
        return Spoken("", "tool_calls", sum(text_tokens(part, asked.model) for part in parts), calls)
    text = answer_text(asked, model, seed) if fault.answer is None else fault.answer
    text = before_stop(text, asked.stop)
    finish_reason = "stop"
    if asked.max_tokens is not None:
        shorter = within(text, asked.max_tokens - reasoning, lambda part: text_tokens(part, asked.model))
        finish_reason = "stop" if shorter == text else "length"
        text = shorter
    return Spoken(text, finish_reason, text_tokens(text, asked.model))


def _calls(asked: Asked) -> Iterator[Call]:
    """`tool: NAME {json}` in the question, a line for each; or what `tool_choice` demands."""
    choice = asked.body.get("tool_choice")
    if not asked.tools or choice == "none" or asked.messages[-1]["role"] not in ("user", "system", "developer"):
        return
    question, _ = last_question(asked.messages)
    wanted = [(match["name"], match["arguments"]) for match in _TOOL.finditer(question)]
    wanted = [(name, arguments) for name, arguments in wanted if name in asked.tools]
    if not wanted and (name := _demanded(choice, asked.tools)) is not None:
        wanted = [(name, None)]
    if asked.body.get("parallel_tool_calls") is False:
        wanted = wanted[:1]
    for name, arguments in wanted:
        schema = asked.tools[name].get("parameters") or {"type": "object"}
        made = arguments or msgspec.json.encode(value_for(schema, question[:80])).decode()
        yield Call(f"call_{secrets.token_hex(12)}", name, made)


def _demanded(choice: Any, tools: dict[str, Any]) -> str | None:
    if choice == "required":
        return next(iter(tools))
    if isinstance(choice, dict):
        name = (choice.get("function") or choice).get("name")
        return name if name in tools else None
    return None
