"""The simulator's routes: OpenAI's, and under /_ those that steer it and show its bill."""

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from talkmeter.simulator import models, organization
from talkmeter.simulator.books import KINDS
from talkmeter.simulator.checks import decode
from talkmeter.simulator.faults import parse_fault
from talkmeter.simulator.images import picture
from talkmeter.simulator.jobs import Endpoint
from talkmeter.simulator.refusals import Refusal, bad_key

if TYPE_CHECKING:
    from aiohttp import web

    from talkmeter.simulator.service import Service

_CREATED = 1_795_132_800  # 2026-11-20, the day the models were made


def openai_routes(service: "Service") -> "list[web.AbstractRouteDef]":
    """The upstream that clients see."""
    from aiohttp import web

    async def list_models(request: web.Request) -> web.Response:
        if _has_bad_key(request):
            return _json(bad_key().body(), 401)
        return _json({"object": "list", "data": [_model(name) for name in models.offered()]})

    async def show_model(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            models.find(name, any_model=service.any_model)
        except Refusal as refusal:
            return _json(refusal.body(), refusal.status)
        return _json(_model(name))

    async def show_usage(request: web.Request) -> web.Response:
        return await organization.answer(service, request, request.match_info["kind"])

    async def show_costs(request: web.Request) -> web.Response:
        return await organization.answer(service, request, "costs")

    return [
        web.get(f"/v1/organization/usage/{{kind:{'|'.join(KINDS)}}}", show_usage),
        web.get("/v1/organization/costs", show_costs),
        web.get("/v1/models", list_models),
        web.get("/v1/models/{name}", show_model),
        *(_route(service, endpoint) for endpoint in service.endpoints),
    ]


def control_routes(service: "Service") -> "list[web.AbstractRouteDef]":
    """What tests steer by: bill, script, steps; and the answer to every other address."""
    from aiohttp import web

    async def show_picture(request: web.Request) -> web.Response:
        body = await asyncio.to_thread(picture, request.match_info["size"], request.match_info["seed"])
        return web.Response(body=body, content_type="image/png")

    async def show_bill(request: web.Request) -> web.Response:
        if wait := request.query.get("wait"):
            try:
                await service.settled(float(wait))
            except ValueError:
                return _json(Refusal(400, f"wait is a number of seconds, not '{wait}'.", param="wait").body(), 400)
        return _json(service.bill.as_dict())

    async def clear_bill(_: web.Request) -> web.Response:
        service.bill.clear()
        return web.Response(status=204)

    async def show_script(_: web.Request) -> web.Response:
        return _json({"waiting": service.script.waiting})

    async def extend_script(request: web.Request) -> web.Response:
        try:
            entries = msgspec.json.decode(await request.read(), type=list[dict[str, Any]])
            service.script.extend([parse_fault(entry, "script") for entry in entries])
        except msgspec.DecodeError as error:
            return _json(Refusal(400, f"A script is a JSON array of faults: {error}").body(), 400)
        except Refusal as refusal:
            return _json(refusal.body(), refusal.status)
        return _json({"waiting": service.script.waiting})

    async def clear_script(_: web.Request) -> web.Response:
        service.script.clear()
        return web.Response(status=204)

    async def step(request: web.Request) -> web.Response:
        try:
            wanted = msgspec.convert(decode(await request.read() or b"{}"), _Step)
        except (msgspec.ValidationError, Refusal) as error:
            return _json(Refusal(400, f'A step is {{"events": n, "request": id, "wait": s}}: {error}').body(), 400)
        return _json({"released": await service.step(wanted.events, wanted.request, wanted.wait)})

    async def unknown(request: web.Request) -> web.Response:
        message = (
            f"Unknown request URL: {request.method} {request.path[:200]}. See docs/simulator.md for what there is."
        )
        return _json(Refusal(404, message, code="unknown_url").body(), 404)

    return [
        web.get(r"/_image/{size:\d{1,4}x\d{1,4}}/{seed:\d{1,12}}.png", show_picture),
        web.get("/_bill", show_bill),
        web.delete("/_bill", clear_bill),
        web.get("/_script", show_script),
        web.post("/_script", extend_script),
        web.delete("/_script", clear_script),
        web.post("/_step", step),
        web.route("*", "/{path:.*}", unknown),
    ]


def _route(service: "Service", endpoint: Endpoint) -> "web.RouteDef":
    from aiohttp import web

    async def answer(request: web.Request) -> web.StreamResponse:
        return await service.answer(endpoint, request)

    return web.route(endpoint.method, endpoint.path, answer)


def _has_bad_key(request: "web.Request") -> bool:
    return request.headers.get("Authorization", "").removeprefix("Bearer ").strip().startswith("sk-bad")


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "talkmeter-simulator"}


class _Step(msgspec.Struct, forbid_unknown_fields=True):
    events: int = 1
    request: str | None = None
    wait: float = 20.0


def _json(value: Any, status: int = 200) -> "web.Response":
    from aiohttp import web

    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
