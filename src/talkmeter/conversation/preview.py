"""What the next message will cost: the price ladder. Pure.

Each rung is the very request that would go out with that window, counted message by message.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct

from talkmeter.conversation.values import Rung
from talkmeter.conversation.window import LADDER, fitting
from talkmeter.messages import ALL_MESSAGES, TokenWindow, Window

CACHE_FROM = 1024  # providers cache prefixes from this size on, …
CACHE_STEP = 128  # … in steps of this many tokens (OpenAI's prompt caching guide)


class Course(Struct, frozen=True):
    """The branch by figures: tokens of each sendable message, oldest first, the draft last; and of the frame.

    questions: which of them are questions; empty: all, as if any could be the first that is sent.
    """

    tokens: Sequence[int]
    frame: int
    exact: bool = True
    questions: Sequence[bool] = ()


def windows_for(own: Window) -> tuple[Window, ...]:
    """The ladder's windows with the room's own among them: numbers ascending, all, and last one by tokens."""
    if isinstance(own, TokenWindow):
        return (*LADDER, own)
    return (*sorted({*LADDER, own} - {ALL_MESSAGES}), ALL_MESSAGES)


def messages_sent(course: Course, window: Window) -> int:
    count = len(course.tokens)
    if isinstance(window, TokenWindow):
        return fitting(course.tokens, course.questions or [True] * count, window.tokens - course.frame)
    return count if window == ALL_MESSAGES else min(window, count)


def prompt_tokens(course: Course, window: Window) -> int:
    return course.frame + sum(course.tokens[len(course.tokens) - messages_sent(course, window) :])


def cached_forecast(course: Course, window: Window, own: Window) -> int:
    """Tokens of the longest prefix that the last request of this room had too, as a provider would cache it.

    own: the room's window, with which the last request is taken to have gone out. The prefix stays only while neither
    request leaves anything out: a window that slides changes all that follows the system prompt.
    """
    before = len(course.tokens) - 2  # messages up to the last question; its answer and the draft are new
    kept = _holds(course, own, before) and _holds(course, window, before + 2)
    prefix = course.frame + (sum(course.tokens[:-2]) if kept else 0)
    return prefix // CACHE_STEP * CACHE_STEP if prefix >= CACHE_FROM else 0


def _holds(course: Course, window: Window, count: int) -> bool:
    """Whether the first `count` messages all go out with this window."""
    if isinstance(window, TokenWindow):
        return course.frame + sum(course.tokens[: max(count, 0)]) <= window.tokens
    return window == ALL_MESSAGES or count <= window


def ladder(
    course: Course,
    own: Window,
    limit: int | None,
    price: Callable[[int, int], tuple[int | None, int | None]],
) -> tuple[Rung, ...]:
    """limit: tokens a prompt may have, None = unknown. price(prompt, cached) → (from, to) in picodollars."""
    return tuple(_rung(course, window, own, limit, price) for window in windows_for(own))


def _rung(
    course: Course,
    window: Window,
    own: Window,
    limit: int | None,
    price: Callable[[int, int], tuple[int | None, int | None]],
) -> Rung:
    count = len(course.tokens)
    sent = messages_sent(course, window)
    prompt = prompt_tokens(course, window)
    cached = cached_forecast(course, window, own)
    low, high = price(prompt, cached)
    return Rung(
        window=window,
        messages_sent=sent,
        prompt_tokens=prompt,
        cached_tokens=cached,
        cost_low=low,
        cost_high=high,
        fits=limit is None or prompt <= limit,
        dropped=count - sent,
    )


def fitting_window(course: Course, limit: int | None) -> int | None:
    """The largest window that fits: ALL_MESSAGES if everything does, None if not even the question does."""
    if limit is None:
        return ALL_MESSAGES
    room = limit - course.frame
    for sent, tokens in enumerate(reversed(course.tokens)):
        room -= tokens
        if room < 0:
            return sent or None
    return ALL_MESSAGES
