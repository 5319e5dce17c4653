"""What an answer that passes through is read into: of each form the fields that tell of usage, text and how it ended.

A field of whatever kind is taken as it is (Any), or left unread (Raw) where it is seldom needed.
"""

from typing import Any

import msgspec
from msgspec import Raw, Struct


class Message(Struct):
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: Any = None
    tool_calls: Any = None
    function_call: Any = None
    annotations: Any = None


class Choice(Struct):
    index: Any = None
    delta: Message | None = None
    message: Message | None = None
    text: Any = None
    finish_reason: Any = None


class Response(Struct):
    id: Any = None
    model: Any = None
    service_tier: Any = None
    status: Any = None
    usage: Raw = Raw()
    error: Raw = Raw()
    output: Raw = Raw()


class Event(Struct):
    type: Any = None
    id: Any = None
    object: Any = None
    choices: list[Choice] | None = None
    model: Any = None
    service_tier: Any = None
    status: Any = None
    delta: Any = None
    output_index: Any = None
    content_index: Any = None
    item: Raw = Raw()
    response: Response | None = None
    output: Raw = Raw()
    data: Raw = Raw()
    text: Any = None
    usage: Raw = Raw()
    error: Raw = Raw()


class Cited(Struct):
    """Of a message whose text nobody needs: what it cites."""

    annotations: Any = None


class Ended(Struct):
    """Of a choice whose text nobody needs."""

    finish_reason: Any = None
    message: Cited | None = None


class Usual(Struct):
    """Of a chat completion in one piece all that is needed where its usage is said: its text is not."""

    object: Any = None
    id: Any = None
    model: Any = None
    service_tier: Any = None
    usage: Raw = Raw()
    error: Any = None
    choices: list[Ended] = []


decode_event = msgspec.json.Decoder(Event).decode
decode_usual = msgspec.json.Decoder(Usual).decode
read_items = msgspec.json.Decoder(list[Raw]).decode
