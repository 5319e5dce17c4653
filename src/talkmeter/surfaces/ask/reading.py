"""A request as what it asks for. Pure."""

import re
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import parse_qs, unquote_to_bytes

from msgspec import UNSET, Struct, structs

from talkmeter.accounts.entrance import Headers
from talkmeter.accounts.principals import Principal
from talkmeter.accounts.tags import tags_of
from talkmeter.conversation.talk_values import NEW, Talk
from talkmeter.errors import BadInput, NotFound
from talkmeter.messages import RoomSettings
from talkmeter.strict_json import parse_json
from talkmeter.surfaces.ask.services import DOOR
from talkmeter.surfaces.ask.shapes import AskBody, StopBody

EVENT_STREAM = "text/event-stream"
_OPTIONS = ("model", "system_prompt", "window", "temperature", "top_p", "max_tokens")
T = TypeVar("T", AskBody, StopBody)

MOST_ROWS = 999_999  # that a page can be asked for
_SEQ = re.compile(r"[0-9]{1,15}")


class Path(Struct, frozen=True):
    """conversation_id: None: no particular one (`/ask`). what: "" or "stop"."""

    conversation_id: str | None
    what: str = ""


def read_path(raw: bytes) -> Path:
    """The path as it was sent, below the root: what is escaped in an id is part of it, a slash too. Raises NotFound."""
    parts = raw.split(b"?")[0].strip(b"/").split(b"/")
    try:
        named = [unquote_to_bytes(part).decode() for part in parts[1:]]
    except UnicodeDecodeError:
        raise BadInput(
            "The address is not UTF-8.", "주소가 UTF-8이 아닙니다.", code="not_utf8", param="conversation_id"
        ) from None
    if not named:
        return Path(None)
    if len(named) == 1:
        return Path(named[0])
    if named[1:] == ["stop"]:
        return Path(named[0], "stop")
    raise NotFound(
        "There is nothing at this address.",
        "이 주소에는 아무것도 없습니다.",
        code="no_such_route",
        hint="See /docs. A slash in a conversation_id is written %2F.",
        hint_ko="/docs를 보십시오. conversation_id의 빗금은 %2F로 씁니다.",
    )


def read_ask(body: bytes) -> AskBody:
    """Raises BadInput (422), naming the field or the position."""
    return _read(body, AskBody)


def read_stop(body: bytes) -> StopBody:
    """As read_ask; nothing at all is the defaults."""
    return _read(body, StopBody) if body.strip() else StopBody()


def talk_of(body: AskBody, conversation_id: str | None, principal: Principal, headers: Headers) -> Talk:
    """Raises BadInput for tags that are none."""
    said = {name: value for name in _OPTIONS if (value := getattr(body, name)) is not None}
    key = headers.get(b"idempotency-key")
    return Talk(
        surface=DOOR,
        principal=principal,
        conversation_id=NEW if conversation_id is None else conversation_id,
        prompt=body.prompt,
        parent_id=UNSET if body.parent_id is None else body.parent_id,
        options=RoomSettings(**said) if said else None,
        idempotency_key=None if key is None else key.decode("latin-1"),
        multitask=body.multitask,
        tags=tags_of(headers.get(b"x-talkmeter-tags")),
    )


def wants_events(headers: Headers) -> bool:
    """Whether the client would rather have events than one JSON object."""
    accepted = [part.strip() for part in headers.get(b"accept", b"").decode("latin-1").lower().split(",")]
    kinds = [part.partition(";")[0].strip() for part in accepted]
    return EVENT_STREAM in kinds and "application/json" not in kinds[: kinds.index(EVENT_STREAM)]


def resume_after(headers: Headers, query: Mapping[str, str]) -> int | None:
    """The seq that the reader has seen, `Last-Event-ID` before `after`; None: it does not say. Raises BadInput."""
    given = headers.get(b"last-event-id", b"").decode("latin-1") or query.get("after")
    if given is None:
        return None
    if not _SEQ.fullmatch(given):
        raise BadInput(
            "Last-Event-ID is the number of an event.",
            "Last-Event-ID는 이벤트 번호입니다.",
            code="bad_event_id",
            param="Last-Event-ID",
        )
    return int(given)


def read_query(raw: bytes) -> dict[str, str]:
    """The last value of each name. Raises BadInput."""
    try:
        found = parse_qs(raw.decode("latin-1"), max_num_fields=50)
    except ValueError:
        raise BadInput("The query has too many fields.", "쿼리 필드가 너무 많습니다.", code="bad_query") from None
    return {name: values[-1] for name, values in found.items()}


def limit_of(query: Mapping[str, str]) -> int:
    """How many rows of a page. Raises BadInput."""
    given = query.get("limit", "200")
    if not given.isascii() or not given.isdigit() or len(given) > 6 or not 1 <= int(given) <= MOST_ROWS:
        raise BadInput(
            f"limit is a whole number from 1 to {MOST_ROWS:,}.",
            f"limit은 1에서 {MOST_ROWS:,}까지의 정수입니다.",
            code="bad_field",
            param="limit",
        )
    return int(given)


def wants_korean(headers: Headers) -> bool:
    return headers.get(b"accept-language", b"").strip().lower().startswith(b"ko")


def _read(body: bytes, shape: type[T]) -> T:
    try:
        return parse_json(body, shape)
    except BadInput as error:
        error.status = 422
        fields = ", ".join(field.encode_name for field in structs.fields(shape))
        if error.code == "unknown_field":
            error.hint, error.hint_ko = f"There are: {fields}.", f"쓸 수 있는 필드: {fields}."
        raise
