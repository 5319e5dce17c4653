"""What a client of the Responses mode is sent: the provider's events, each as it came, and ours beside them. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from talkmeter.ids import new_id
from talkmeter.surfaces.websocket.client_events import Create, Steer

TERMINAL = frozenset({"response.completed", "response.failed", "response.incomplete", "error"})
_encode = msgspec.json.encode


class Head(Struct):
    """The members of an event that matter here."""

    type: str = ""
    sequence_number: Any = None
    response: Raw = Raw()


class ResponseHead(Struct):
    """The same, of the response in an event."""

    id: Any = None
    output: Raw = Raw(b"[]")


_head = msgspec.json.Decoder(Head).decode
_response_head = msgspec.json.Decoder(ResponseHead).decode
_members = msgspec.json.Decoder(dict[str, Raw]).decode


class Events:
    """The events of one response. stream_id: which each of them names.

    response: as the newest event that held it did. ended: whether one has said that nothing follows.
    """

    def __init__(self, stream_id: str | None = None) -> None:
        self._stream_id = stream_id
        self.next_number = 0
        self.response: Raw = Raw(b"{}")
        self.response_id: str | None = None
        self.completed = False
        self.ended = False

    def forward(self, data: bytes) -> str | None:
        """The frame of one event of the provider's stream. None: it is none for a socket.

        Its bytes are kept; where `sequence_number` is missing it is counted on, and `stream_id` is added.
        """
        try:
            head = _head(data)
        except (msgspec.MsgspecError, RecursionError):
            return None  # `[DONE]`, or what no client could read
        more: dict[str, Any] = {} if self._stream_id is None else {"stream_id": self._stream_id}
        if type(head.sequence_number) is int:
            self.next_number = head.sequence_number + 1
        else:
            more["sequence_number"] = self._number()
        self._note(head)
        return _with(more, data).decode("utf-8", "replace")

    def _note(self, head: Head) -> None:
        self.ended = self.ended or head.type in TERMINAL
        self.completed = self.completed or head.type == "response.completed"
        if bytes(memoryview(head.response)[:1]) != b"{":
            return
        self.response = head.response
        found = _response_head(head.response).id
        if isinstance(found, str):
            self.response_id = found

    @property
    def output(self) -> Raw:
        """The finished response's output items."""
        return _response_head(self.response).output

    def own(self, kind: str, **members: Any) -> str:
        """An event of ours that follows those before."""
        self.ended = self.ended or kind in TERMINAL
        lane = {} if self._stream_id is None else {"stream_id": self._stream_id}
        return _encode({"type": kind, **lane, "sequence_number": self._number(), **members}).decode()

    def cancelled(self) -> str:
        """The end of a response that its client has cancelled: what is known of it, and why there is no more."""
        response = {**_members(self.response), "status": "cancelled", "incomplete_details": {"reason": "cancelled"}}
        return self.own("response.incomplete", response=response)

    def steering_failed(self, event: Steer) -> str:
        error = {
            "type": "invalid_request_error",
            "code": "steering_not_supported",
            "message": "A response cannot be steered here. Cancel it, and create one that goes on from it.",
        }
        return self.own("response.steer.failed", error=error, steer=event.steer)

    def _number(self) -> int:
        number, self.next_number = self.next_number, self.next_number + 1
        return number


def error_event(
    status: int, error: Mapping[str, Any], stream_id: str | None = None, sequence_number: int | None = None
) -> str:
    """error: OpenAI's error object. sequence_number: within a response whose stream it ends."""
    more = {"stream_id": stream_id, "sequence_number": sequence_number}
    known = {name: value for name, value in more.items() if value is not None}
    return _encode({"type": "error", "status": status, **known, "error": error}).decode()


def prepared(create: Create, at: int) -> tuple[dict[str, Any], list[str]]:
    """A response without output, made here for `generate: false`, and its events. at: seconds."""
    response = {
        "id": new_id("resp"),
        "object": "response",
        "created_at": at,
        "status": "completed",
        "model": create.members.get("model"),
        "output": [],
        "previous_response_id": create.previous_response_id,
        "store": False,
        "error": None,
        "incomplete_details": None,
        "usage": None,
    }
    events = Events(create.stream_id)
    begun = {**response, "status": "in_progress"}
    return response, [
        events.own("response.created", response=begun),
        events.own("response.completed", response=response),
    ]


def _with(members: Mapping[str, Any], data: bytes) -> bytes:
    """The JSON object with these members in front."""
    if not members:
        return data
    rest = data.lstrip()[1:].lstrip()
    front = _encode(members)[:-1]
    return front + (b"," if rest[:1] != b"}" else b"") + rest
