"""What every reader is: something that is checked as a whole first and then read conversation by conversation."""

from collections.abc import Iterator
from typing import Protocol

from talkmeter.conversation.importing.values import Found, LeftOut
from talkmeter.errors import BadInput


class Source(Protocol):
    """done of total: how far the last call has come, in a unit of the source's own. Used from one thread at a time."""

    @property
    def total(self) -> int: ...

    @property
    def done(self) -> int: ...

    def check(self) -> Iterator[None]:
        """Reads all of it once, a step at a time. Raises BadInput if it is not whole: nothing must be imported then."""
        ...

    def conversations(self) -> Iterator[Found]:
        """Each in turn; one that cannot be understood comes as such, with its reason."""
        ...

    def left_out(self) -> dict[LeftOut, int]:
        """What is not taken of the whole, beside what each conversation leaves out."""
        ...

    def close(self) -> None: ...


def unusable(what: str, what_ko: str, *, hint: str | None = None, hint_ko: str | None = None) -> BadInput:
    """The source as a whole is of no use."""
    return BadInput(
        what,
        what_ko,
        code="import_unusable",
        hint=hint or "Nothing has been imported.",
        hint_ko=hint_ko or "가져온 것은 없습니다.",
    )


def not_understood(what: str, what_ko: str) -> BadInput:
    """One conversation is of no use."""
    return BadInput(what, what_ko, code="conversation_not_understood")
