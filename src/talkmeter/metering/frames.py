"""The usual event of a stream: the same bytes as the last one, but for the text and for what pads it.

A model's words come as hundreds of events that differ in nothing else. Where one has been read, and it is proven where
its text stands, the next is compared with it instead of being read anew. Pure; whatever differs is read in full.
"""

import msgspec
from msgspec import Raw

from talkmeter.metering.answer_shapes import Choice, Event, Message, decode_event

MARK = b'"content":"'
PADDING = b'"obfuscation":"'  # OpenAI's: as long as it takes to hide the length of the text
NONE = (Raw(), Raw(b"null"))

_decode_text = msgspec.json.Decoder(str).decode


class Frame:
    """What stands around the text of an event. index: of its choice. padded: a padding stands at its end."""

    __slots__ = ("after", "before", "index", "padded")

    def __init__(self, before: bytes, after: bytes, index: int, *, padded: bool) -> None:
        self.before = before
        self.after = after
        self.index = index
        self.padded = padded

    def text(self, data: bytes) -> str | None:
        """The text of an event that is the same but for it; None: it is another, or its text is not plain."""
        before, after = self.before, self.after
        start = len(before)
        if not data.startswith(before):
            return None
        end = data.find(b'"', start)
        rest = end + len(after)
        if end < 0 or not data.startswith(after, end):
            return None
        if self.padded:
            if not data.endswith(b'"}') or not data[rest:-2].isalnum():
                return None
        elif rest != len(data):
            return None
        try:
            return _decode_text(data[start - 1 : end + 1])
        except ValueError:  # an escaped quote, no text at all, or no UTF-8
            return None


def frame_of(data: bytes, event: Event) -> Frame | None:
    """What stands around the text of an event that has been read; None: it brings more than text, or it is not clear.

    The proof: with another text in that place, the event reads the same but for the text.
    """
    choice = event.choices[0] if event.choices and len(event.choices) == 1 else None
    if choice is None or choice.delta is None or not _is_text_alone(event, choice, choice.delta):
        return None
    start = data.find(MARK) + len(MARK)
    end = data.find(b'"', start)
    before, after = data[:start], data[end:]
    padding = after.rfind(PADDING)
    if padding >= 0:
        after = after[: padding + len(PADDING)]
    probe = "-" if choice.delta.content == "~" else "~"
    try:
        other = decode_event(before + probe.encode() + after + (b'"}' if padding >= 0 else b""))
        found = other.choices[0].delta if other.choices else None
        if found is None or found.content != probe:
            return None
        found.content = choice.delta.content
        if other != event:
            return None
    except (ValueError, RecursionError):  # e.g. nested so deep that it cannot be compared
        return None
    index = choice.index if type(choice.index) is int else 0
    return Frame(before, after, index, padded=padding >= 0)


def _is_text_alone(event: Event, choice: Choice, message: Message) -> bool:
    if event.type is not None or event.response is not None or event.usage not in NONE or event.error not in NONE:
        return False
    others = choice.text, message.reasoning_content, message.reasoning, message.refusal
    calls = message.tool_calls, message.function_call
    return type(message.content) is str and not any(others) and calls == (None, None)
