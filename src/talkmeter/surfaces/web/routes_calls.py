"""The list of calls: everybody's for an owner, one's own for a member; and the same as a file."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from talkmeter.accounts.principals import Principal
from talkmeter.errors import BadInput
from talkmeter.metering.calls import Call, CallFilter, CallStore, Order
from talkmeter.surfaces.web.access import Access, WebRoute
from talkmeter.surfaces.web.reading import json_answer, text_parameter, whole_number
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.translate import totals_json
from talkmeter.surfaces.web.translate_calls import LINES, Named, call_json

PAGE, LONGEST_PAGE = 50, 200
EXPORT_PAGE = 500
ORDERS = get_args(Order)
TEXTS = {  # of the query → of the filter
    "user": "principal",
    **{name: name for name in ("key_id", "provider_id", "model", "served", "endpoint", "surface", "outcome")},
    **{name: name for name in ("provenance", "tag", "end_user")},
}
KNOWN = {*TEXTS, "from", "to", "state", "unpriced", "sort", "cursor", "limit", "totals", "format"}


class CallRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> tuple[WebRoute, ...]:
        who = Access.SIGNED_IN
        return (
            WebRoute("GET", "/api/calls", "calls", who, self.page),
            WebRoute("GET", "/api/calls/export", "export_calls", who, self.export),
        )

    async def page(self, request: Request, principal: Principal) -> Response:
        wanted = filter_of(request, principal)
        order = _one_of(request, "sort", ORDERS, "newest")
        limit = whole_number(request, "limit", PAGE, 1, LONGEST_PAGE)
        store = self._services.calls
        found = await store.calls(wanted, order, text_parameter(request, "cursor"), limit)
        answer: dict[str, Any] = {
            "calls": [call_json(call, self._named()) for call in found.calls],
            "next": found.next,
        }
        if whole_number(request, "totals", 1, 0, 1):
            answer["totals"] = totals_json(await store.call_totals(wanted))
        return json_answer(answer)

    async def export(self, request: Request, principal: Principal) -> Response:
        wanted = filter_of(request, principal)
        form = _one_of(request, "format", tuple(LINES), "csv")
        lines = exported_lines(self._services.calls, wanted, form, self._named())
        headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="talkmeter-calls.{form}"'}
        return StreamingResponse(lines, headers=headers, media_type=LINES[form][2])

    def _named(self) -> Named:
        return Named(
            {key.id: key.name for key in self._services.keys.list()},
            {user.id: user.name for user in self._services.users.list()},
        )


async def exported_lines(store: CallStore, wanted: CallFilter, form: str, named: Named) -> AsyncIterator[bytes]:
    """The file piece by piece, newest calls first; no more than a page of it is in memory.

    Written in a thread: an export of a million calls must not hold up those that are under way.
    """
    head, line, _ = LINES[form]
    yield head()
    cursor: str | None = None
    while True:
        found = await store.calls(wanted, "newest", cursor, EXPORT_PAGE)
        yield await asyncio.to_thread(_joined, line, found.calls, named)
        cursor = found.next
        if cursor is None:
            return


def _joined(line: Callable[[Call, Named], bytes], calls: Sequence[Call], named: Named) -> bytes:
    return b"".join(line(call, named) for call in calls)


def filter_of(request: Request, principal: Principal) -> CallFilter:
    """What the query asks for; a member's is of their own calls whatever it says. Raises BadInput."""
    for name in request.query_params:
        if name not in KNOWN:
            raise BadInput(
                f"There is no filter {name:.40}.",
                f"{name:.40} 필터는 없습니다.",
                code="unknown_field",
                param=name,
            )
    given: dict[str, Any] = {into: text_parameter(request, name) or None for name, into in TEXTS.items()}
    if principal.role != "owner":
        given["principal"] = principal.user_id
    state = _one_of(request, "state", ("", "open", "settled"), "")
    return CallFilter(
        **given,
        since=_moment(request, "from"),
        until=_moment(request, "to"),
        state="open" if state == "open" else "settled" if state == "settled" else None,
        unpriced=whole_number(request, "unpriced", 0, 0, 1) == 1,
    )


def _moment(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None or text == "":
        return None
    if not re.fullmatch("[0-9]{1,18}", text):
        raise BadInput(
            f"{name} must be a time in microseconds since 1970.",
            f"{name} 값은 1970년 이후의 마이크로초여야 합니다.",
            param=name,
        )
    return int(text)


def _one_of(request: Request, name: str, known: tuple[Any, ...], default: Any) -> Any:
    value = request.query_params.get(name, default)
    if value in known:
        return value
    names = ", ".join(one for one in known if one)
    raise BadInput(f"{name} is one of {names}.", f"{name} 값은 다음 중 하나입니다: {names}.", param=name)
