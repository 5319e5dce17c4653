"""What the model has written in an answer that passes through, and which of it belongs together.

Several choices, and the calls of tools, come interleaved. A model writes, and a provider bills, each choice and each
name and arguments of a call by itself: counted as one text they would come to other figures.
"""

import json
from collections.abc import Hashable, Iterator
from typing import Any

MOST_TEXTS = 1000  # that are told apart; the rest counts as one with the last of them


class Said:
    """limit: in characters; what is longer counts as so long."""

    def __init__(self, limit: int) -> None:
        self._room = limit
        self._texts: dict[Hashable, list[str]] = {}  # whose → the pieces as they came
        self._taken: list[int] = []  # pieces of each

    def add(self, text: str, whose: Hashable) -> None:
        """whose: one and the same value for all that belongs together."""
        if text and self._room > 0:
            self._room -= len(text)
            pieces = self._texts.get(whose)
            if pieces is None:
                pieces = self._begin(whose)
            pieces.append(text)

    def _begin(self, whose: Hashable) -> list[str]:
        if len(self._texts) >= MOST_TEXTS:
            whose = next(reversed(self._texts))
        else:
            self._taken.append(0)
        return self._texts.setdefault(whose, [])

    @property
    def full(self) -> bool:
        return self._room <= 0

    @property
    def texts(self) -> list[str]:
        """In the order in which they began."""
        return ["".join(pieces) for pieces in self._texts.values()]

    def new(self) -> list[tuple[int, str]]:
        """What has come since the last time, each with its place among `texts`."""
        found = []
        for place, pieces in enumerate(self._texts.values()):
            if new := "".join(pieces[self._taken[place] :]):
                found.append((place, new))
                self._taken[place] = len(pieces)
        return found

    def anew(self) -> None:
        """All that has come is new again."""
        self._taken = [0] * len(self._taken)


def said_in_calls(tool_calls: Any, function_call: Any) -> Iterator[tuple[tuple[int, str], str]]:
    """Names and arguments of the calls in a message or delta, which the model had to write, and whose each is."""
    calls = tool_calls if isinstance(tool_calls, list) else []
    found = [(place, call) for place, call in enumerate(calls) if isinstance(call, dict)]
    functions = [(_index(call, place), call.get("function") or call.get("custom")) for place, call in found]
    for place, function in (*functions, (-1, function_call)):
        if isinstance(function, dict):
            for name in ("name", "arguments", "input"):
                if isinstance(function.get(name), str):
                    yield (place, name), function[name]


def _index(call: dict[str, Any], place: int) -> int:
    """Its place among the calls; deltas say it, whole messages do not."""
    index = call.get("index")
    return index if type(index) is int else place


def name_of(item: bytes) -> str:
    """Of an output item that begins, as JSON; empty if it has none."""
    value = json.loads(item)
    name = value.get("name") if isinstance(value, dict) else None
    return name if isinstance(name, str) else ""


def texts_in(content: Any) -> Iterator[str]:
    """Every text inside a list of parts or of output items."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            yield from texts_in(part)
    elif isinstance(content, dict):
        for name in ("text", "refusal", "thinking", "arguments", "name", "input", "content", "summary"):
            if isinstance(content.get(name), str | list):
                yield from texts_in(content[name])
