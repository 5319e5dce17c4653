"""What a socket remembers of responses that the provider does not keep (`store: false`), so that the next can go on
from one by its id: its input and output are sent along. It is never stored, and ends with the socket.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct, structs

from talkmeter.surfaces.websocket.client_events import Create

_Items = msgspec.json.Decoder(list[Raw]).decode
_encode = msgspec.json.encode


class _Item(Struct):
    type: str = ""
    encrypted_content: str | None = None


class Remembered(Struct, frozen=True, kw_only=True):
    """items: input and output of a response and of those before it, back to `previous_response_id` at the provider."""

    items: tuple[Raw, ...]
    previous_response_id: str | None


class Memory:
    """By a response's id. bytes: of all items together; beyond them the oldest response is forgotten."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._responses: dict[str, Remembered] = {}
        self._bytes: dict[str, int] = {}

    def expand(self, create: Create) -> Create:
        """The same request without an id that only this socket knows: what it stands for goes in front of the input."""
        found = self._responses.get(create.previous_response_id or "")
        if found is None:
            return create
        members = {name: raw for name, raw in create.members.items() if name != "previous_response_id"}
        if found.previous_response_id is not None:
            members["previous_response_id"] = Raw(_encode(found.previous_response_id))
        members["input"] = Raw(_encode([*found.items, *input_items(create)]))
        return structs.replace(create, members=members, previous_response_id=found.previous_response_id)

    def remember(self, response_id: str, sent: Create, output: Raw) -> None:
        """sent: the expanded request that was answered."""
        given = (*input_items(sent), *(item for item in _list(output) if _can_be_sent(item)))
        items = tuple(item.copy() for item in given)  # else each would keep the whole message that it came in
        self.forget(response_id)
        self._responses[response_id] = Remembered(items=items, previous_response_id=sent.previous_response_id)
        self._bytes[response_id] = sum(len(bytes(item)) for item in items)
        while sum(self._bytes.values()) > self._max_bytes:
            self.forget(next(iter(self._responses)))

    def forget(self, response_id: str | None) -> None:
        if self._responses.pop(response_id or "", None) is not None:
            del self._bytes[response_id or ""]


def input_items(create: Create) -> Sequence[Raw]:
    """A request's input as a list of items; a text is a message of the user."""
    raw = create.members.get("input")
    if raw is None:
        return []
    if bytes(memoryview(raw)[:1]) == b'"':
        return [Raw(b'{"role":"user","content":' + bytes(raw) + b"}")]
    return _list(raw)


def _list(raw: Raw) -> list[Raw]:
    try:
        return _Items(raw)
    except msgspec.MsgspecError:
        return []  # the provider refuses what is no list


def _can_be_sent(item: Raw) -> bool:
    """Reasoning that is not there in encrypted form the provider alone could look up, and it does not keep it."""
    try:
        found = msgspec.json.decode(item, type=_Item)
    except msgspec.MsgspecError:
        return True
    return found.type != "reasoning" or found.encrypted_content is not None
