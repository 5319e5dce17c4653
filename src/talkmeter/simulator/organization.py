"""GET /v1/organization/usage/… and /v1/organization/costs, for who has an admin key. Not on the bill themselves."""

import base64
import binascii
import time
from typing import TYPE_CHECKING, Any

import msgspec

from talkmeter.simulator import books
from talkmeter.simulator.books import Span, Wanted
from talkmeter.simulator.plain import query_integer
from talkmeter.simulator.refusals import Refusal, bad_key, by_status

if TYPE_CHECKING:
    from aiohttp import web
    from multidict import MultiMapping

    from talkmeter.simulator.service import Service

_ADMIN = "sk-admin"
_WIDTHS = {"1m": 60, "1h": 3600, "1d": 86_400}
_LIMITS = {"1m": (60, 1440), "1h": (24, 168), "1d": (7, 31)}  # usual, most
_COSTS_LIMIT = (7, 180)
_FILTERS = {
    "project_ids": "project_id",
    "user_ids": "user_id",
    "api_key_ids": "api_key_id",
    "models": "model",
    "sizes": "size",
    "sources": "source",
}


async def answer(service: "Service", request: "web.Request", kind: str) -> "web.Response":
    """kind: of usage, or `costs`."""
    from aiohttp import web

    path = "/v1/organization/costs" if kind == "costs" else f"/v1/organization/usage/{kind}"
    headers: dict[str, str] = {}
    try:
        _check_key(request.headers.get("Authorization", "").removeprefix("Bearer ").strip())
        fault = service.script.take(None, path)
        if fault is not None and fault.status is not None:
            raise by_status(fault.status, path, fault.retry_after)
        body, status = _page(service, request.query, kind), 200
    except Refusal as refusal:
        body, status, headers = refusal.body(), refusal.status, refusal.headers
    return web.Response(body=msgspec.json.encode(body), status=status, headers=headers, content_type="application/json")


def _check_key(key: str) -> None:
    if not key:
        raise Refusal(401, "No API key was given. Send an admin key as a bearer token in the Authorization header.")
    if key.startswith("sk-bad"):
        raise bad_key()
    if not key.startswith(_ADMIN):
        raise Refusal(
            403,
            "You have insufficient permissions for this operation. Missing scopes: api.usage.read."
            f" It takes an admin key, which begins with {_ADMIN}.",
            code="missing_scope",
        )


def _page(service: "Service", query: "MultiMapping[str]", kind: str) -> dict[str, Any]:
    if "start_time" not in query:
        raise Refusal(
            400, "Missing required parameter: 'start_time'.", param="start_time", code="missing_required_parameter"
        )
    name = query.get("bucket_width", "1d")
    widths = ("1d",) if kind == "costs" else tuple(_WIDTHS)
    if name not in widths:
        raise _unsupported("bucket_width", name, widths)
    width = _WIDTHS[name]
    usual, most = _COSTS_LIMIT if kind == "costs" else _LIMITS[name]
    limit = query_integer(query, "limit", usual, least=1)
    if limit > most:
        raise Refusal(400, f"Invalid 'limit': at most {most} buckets of {name} are possible.", param="limit")
    start = query_integer(query, "start_time", 0)
    end = query_integer(query, "end_time", int(time.time()) + 1)
    if end <= start:
        raise Refusal(400, "Invalid 'end_time': it has to be after 'start_time'.", param="end_time")
    whole = Span(start, end, width)
    starts = [bucket for bucket in whole.buckets() if bucket >= _begin(query.get("page"))]
    shown, rest = starts[:limit], starts[limit:]
    wanted = _wanted(query, kind)
    rows = service.bill.rows
    if kind == "costs":
        from talkmeter.metering.prices import PriceTable

        results = books.costs(rows, whole, wanted, PriceTable())
    else:
        results = books.usage(rows, kind, whole, wanted)
    data = [
        {"object": "bucket", "start_time": one, "end_time": one + width, "results": results.get(one, [])}
        for one in shown
    ]
    return {"object": "page", "data": data, "has_more": bool(rest), "next_page": _cursor(rest[0]) if rest else None}


def _wanted(query: "MultiMapping[str]", kind: str) -> Wanted:
    possible = books.dimensions_of(kind)
    group_by = _several(query, "group_by")
    for name in group_by:
        if name not in possible:
            raise _unsupported("group_by", name, possible)
    only: dict[str, frozenset[Any]] = {}
    for parameter, name in _FILTERS.items():
        if values := _several(query, parameter):
            only[name] = frozenset(values)
    if (batch := query.get("batch")) is not None:
        only["batch"] = frozenset({batch == "true"})
    return Wanted(tuple(dict.fromkeys(group_by)), only)


def _several(query: "MultiMapping[str]", name: str) -> list[str]:
    """`name=a&name=b`, `name[]=a` or `name=a,b`."""
    given = [*query.getall(name, []), *query.getall(f"{name}[]", [])]
    return [part for value in given for part in value.split(",") if part]


def _cursor(start: int) -> str:
    return "page_" + base64.urlsafe_b64encode(str(start).encode()).decode()


def _begin(page: str | None) -> int:
    if page is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(page.removeprefix("page_").encode()))
    except (binascii.Error, ValueError):
        raise Refusal(400, "Invalid 'page': it has to be the next_page of an earlier answer.", param="page") from None


def _unsupported(name: str, value: str, possible: tuple[str, ...]) -> Refusal:
    listed = ", ".join(f"'{one}'" for one in possible)
    message = f"Invalid value: '{value[:100]}' at '{name}'. Supported values are: {listed}."
    return Refusal(400, message, param=name, code="invalid_value")
