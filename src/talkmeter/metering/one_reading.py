"""A request's JSON as every reader takes it, or not at all. Pure.

Readers differ over a name that an object has twice (for some the first stands, for some the last), and some take
`Model` for `model`. What one reading has allowed or reserved must not be spent by another, so a body that can be read
in two ways is refused where a budget or a list of models depends on it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from talkmeter.errors import BadInput

DECIDING = frozenset(
    {
        "model", "stream", "stream_format", "n", "best_of", "max_tokens", "max_completion_tokens", "max_output_tokens",
        "service_tier", "messages", "input", "prompt", "tools", "max_tool_calls", "modalities", "audio",
        "web_search_options", "previous_response_id", "conversation", "size", "quality", "image", "mask",
        "partial_images",
    }
)  # fmt: skip
_OF_PARTS = frozenset({"type", "content", "output", "image_url", "url", "input_audio", "data", "audio", "model"})


def read_once(body: bytes) -> dict[str, Any]:
    """The object. Raises BadInput (`ambiguous_body`) if it is none, or if it can be read in more than one way."""
    try:
        found = json.loads(body.decode(), object_pairs_hook=_without_twins)
    except (ValueError, RecursionError):
        raise ambiguous("") from None
    if not isinstance(found, dict):
        raise ambiguous("")
    refuse_spellings(found, DECIDING)
    waiting: list[Any] = [found.get(name) for name in ("messages", "input", "tools")]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            refuse_spellings(value, _OF_PARTS)
            waiting += [value.get(name) for name in ("content", "output", "image_url", "input_audio")]
    return found


def refuse_spellings(names: Iterable[str], known: frozenset[str]) -> None:
    """Raises BadInput for a name that some readers take for one of the known ones, though it is spelt otherwise."""
    for name in names:
        if name not in known and name.casefold() in known:
            raise ambiguous(name)


def allowed_models(body: bytes) -> list[Any]:
    """Every model that the body names for itself or for one of its tools. Raises BadInput as read_once does."""
    found = read_once(body)
    tools = found.get("tools")
    tools = tools if isinstance(tools, list) else []
    named = [found.get("model"), *(tool.get("model") for tool in tools if isinstance(tool, Mapping))]
    return [model for model in named if model is not None]


def ambiguous(name: str) -> BadInput:
    """name: the one at fault; empty: the body as a whole."""
    shown = f"{name:.60}"
    return BadInput(
        f"The body says “{shown}” twice, or in a spelling of its own." if name else "The body cannot be read for sure.",
        f"본문에 “{shown}”이(가) 두 번 나오거나 철자가 다릅니다." if name else "본문을 한 가지로만 읽을 수 없습니다.",
        code="ambiguous_body",
        param=shown or None,
        hint="Send each name once, spelt as in the API's reference: a budget or a list of models depends on it.",
        hint_ko="각 이름을 API 문서의 철자대로 한 번씩만 보내십시오. 예산이나 모델 목록이 여기에 달려 있습니다.",
    )


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ambiguous(name)
    return made
