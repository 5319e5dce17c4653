"""What a client of the Responses mode sends, and the body of `POST /v1/responses` that it stands for. Pure."""

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from talkmeter.errors import BadInput
from talkmeter.strict_json import why_unreadable

_STREAM_ID = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_NOT_IN_THE_BODY = ("type", "stream_id", "generate", "background")
_members = msgspec.json.Decoder(dict[str, Raw]).decode


class Create(Struct, frozen=True, kw_only=True):
    """`response.create`. members: of the body, each as it came. generate False: only to be gone on from."""

    members: dict[str, Raw]
    stream_id: str | None = None
    previous_response_id: str | None = None
    store: bool = True
    generate: bool = True

    @property
    def body(self) -> bytes:
        """Of `POST /v1/responses`: every member of the event but what only a socket knows."""
        return msgspec.json.encode({**self.members, "stream": True})


class Cancel(Struct, frozen=True, kw_only=True):
    """`response.cancel`. response_id None: all that this socket has under way."""

    response_id: str | None = None


class Steer(Struct, frozen=True, kw_only=True):
    """`response.steer`, which nothing here can do. steer: its input and target, as they came."""

    steer: dict[str, Raw]


ClientEvent = Create | Cancel | Steer


def read_event(text: str) -> ClientEvent:
    """Raises BadInput for what is no such event."""
    try:
        members = _members(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        why, why_ko = why_unreadable(text.encode("utf-8", "surrogatepass"), error)
        raise BadInput(
            f"The message is not a JSON object that can be read: {why}.",
            f"메시지를 JSON 객체로 읽을 수 없습니다: {why_ko}.",
            code="invalid_json",
            hint='Send {"type": "response.create", …} as text.',
            hint_ko='{"type": "response.create", …}를 텍스트로 보내십시오.',
        ) from None
    kind = _value(members, "type")
    if kind == "response.create":
        return _create(members)
    if kind == "response.cancel":
        return Cancel(response_id=_text(members, "response_id"))
    if kind == "response.steer":
        return Steer(steer={name: raw for name, raw in members.items() if name != "type"})
    raise BadInput(
        f"There is no event {kind!r:.80}.",
        f"{kind!r:.80} 이벤트는 없습니다.",
        code="unknown_event",
        param="type",
        hint="A client sends response.create or response.cancel.",
        hint_ko="클라이언트는 response.create 또는 response.cancel을 보냅니다.",
    )


def _create(members: dict[str, Raw]) -> Create:
    stream_id = _text(members, "stream_id")
    if stream_id is not None and _STREAM_ID.fullmatch(stream_id) is None:
        raise _wrong("stream_id", "1 to 256 letters, digits and _.-", "글자·숫자와 _.- 1자에서 256자")
    if _value(members, "background") is True:
        raise _wrong("background", "false: a socket has no background", "false(소켓에는 백그라운드가 없습니다)")
    return Create(
        members={name: raw for name, raw in members.items() if name not in _NOT_IN_THE_BODY},
        stream_id=stream_id,
        previous_response_id=_text(members, "previous_response_id"),
        store=_value(members, "store") is not False,
        generate=_value(members, "generate") is not False,
    )


def _value(members: dict[str, Raw], name: str) -> Any:
    raw = members.get(name)
    return None if raw is None else msgspec.json.decode(raw)


def _text(members: dict[str, Raw], name: str) -> str | None:
    value = _value(members, name)
    if value is not None and not isinstance(value, str):
        raise _wrong(name, "a text", "텍스트")
    return value


def _wrong(name: str, what: str, what_ko: str) -> BadInput:
    return BadInput(f"{name} must be {what}.", f"{name}은(는) {what_ko}여야 합니다.", code="invalid_type", param=name)
