"""The history window: which messages of a branch are sent. Pure.

The seed's "maximum send message count": N counts the messages sent, the question included, the system prompt and the
coming answer excluded. With q1 a1 q2 a2 q3, N=2 sends a2 q3 and N=4 sends a1 q2 a2 q3.

A window by tokens bounds the whole prompt, system prompt included: the oldest exchanges are left out until it fits,
whole ones, so that what is sent begins with a question. The question itself is always sent.
"""

from collections.abc import Sequence

from msgspec import Struct

from talkmeter.messages import ALL_MESSAGES, Message, TokenWindow, Window

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
    return _cut(messages, len(messages) if window == ALL_MESSAGES else window)


def cut_to_fit(messages: Sequence[Message], tokens: Sequence[int], limit: int) -> Cut:
    """messages: sendable ones, oldest first, ending with the question; tokens: of each. limit: of their sum."""
    return _cut(messages, fitting(tokens, [message.role == "user" for message in messages], limit))


def fitting(tokens: Sequence[int], questions: Sequence[bool], limit: int) -> int:
    """How many of the newest messages have at most `limit` tokens together and begin with a question; at least one."""
    sent = total = 0
    for count, (each, question) in enumerate(zip(reversed(tokens), reversed(questions), strict=True), 1):
        total += each
        if total > limit:
            break
        if question:
            sent = count
    return max(sent, 1)


def rows_for(window: Window) -> int | None:
    """How many rows of a branch to read for a window; None: all. Twice as many: failed answers are not sent."""
    if window == ALL_MESSAGES:
        return None
    return 2 * (window.tokens if isinstance(window, TokenWindow) else window) + 20


def _cut(messages: Sequence[Message], sent: int) -> Cut:
    start = max(0, len(messages) - sent)
    return Cut(tuple(messages[start:]), tuple(messages[:start]))
