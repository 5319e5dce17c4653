"""What counting a prompt returns: lines that add up to the total."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from talkmeter.metering.tokens.guards import Quality

MessageKind = Literal["framing", "text", "image", "tool", "file"]
LineKind = Literal[
    "framing",  # role, name and the tokens between messages
    "text",  # what a message says
    "image",
    "tool",  # names, arguments and framing of tool calls and their results
    "file",  # documents and audio
    "tools",  # the definitions of tools
    "tool_choice",
    "hosted",  # tools that run at the provider
    "response_format",
    "history",  # what the provider keeps itself (previous_response_id)
    "input",  # one input of a completion or embedding request
    "prime",  # opens the answer
]
MESSAGE_KINDS: tuple[MessageKind, ...] = ("framing", "text", "image", "tool", "file")


class Line(msgspec.Struct, frozen=True):
    """One line of a receipt; `message` is the index in the request's messages, None for the whole."""

    kind: LineKind
    message: int | None
    tokens: int
    quality: Quality


class MessageCount(msgspec.Struct, frozen=True):
    """Tokens of one message by kind; `estimated` names the kinds whose figure is an estimate."""

    framing: int
    text: int = 0
    image: int = 0
    tool: int = 0
    file: int = 0
    estimated: frozenset[MessageKind] = frozenset()

    @property
    def total(self) -> int:
        return self.framing + self.text + self.image + self.tool + self.file

    @property
    def quality(self) -> Quality:
        return "estimate" if self.estimated else "exact"

    def lines(self, index: int) -> Iterator[Line]:
        """Yield framing and text always, the other kinds where there is something to say."""
        for kind in MESSAGE_KINDS:
            tokens: int = getattr(self, kind)
            estimated = kind in self.estimated
            if tokens or estimated or kind in ("framing", "text"):
                yield Line(kind, index, tokens, "estimate" if estimated else "exact")


class PromptCount(msgspec.Struct, frozen=True):
    """Tokens of a whole request: `total` is the sum of `lines`, exact if each line is."""

    total: int
    encoding: str
    quality: Quality
    lines: tuple[Line, ...]


def prompt_count(lines: list[Line], encoding: str) -> PromptCount:
    """Add up lines."""
    exact = all(line.quality == "exact" for line in lines)
    return PromptCount(
        total=sum(line.tokens for line in lines),
        encoding=encoding,
        quality="exact" if exact else "estimate",
        lines=tuple(lines),
    )
