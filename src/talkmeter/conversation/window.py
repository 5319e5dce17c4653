"""The history window: which messages of a branch are sent. Pure.

The seed's "maximum send message count": N counts the messages sent, the question included, the system prompt and the
coming answer excluded. With q1 a1 q2 a2 q3, N=2 sends a2 q3 and N=4 sends a1 q2 a2 q3.
"""

from collections.abc import Sequence

from msgspec import Struct

from talkmeter.messages import ALL_MESSAGES, Message

LADDER = (1, 2, 4, 8, 16, ALL_MESSAGES)


class Cut(Struct, frozen=True):
    """sent: oldest first, ends with the question. left_out: what came before, oldest first."""

    sent: tuple[Message, ...]
    left_out: tuple[Message, ...]


def sendable(branch: Sequence[Message]) -> list[Message]:
    """Without answers that never said anything (failed, or still being written): they are no messages to send."""
    return [message for message in branch if message.role != "assistant" or message.text]


def cut_window(branch: Sequence[Message], window: int) -> Cut:
    """branch: oldest first, ends with the question. window: 1… or ALL_MESSAGES."""
    messages = sendable(branch)
    start = 0 if window == ALL_MESSAGES else max(0, len(messages) - window)
    return Cut(tuple(messages[start:]), tuple(messages[:start]))
