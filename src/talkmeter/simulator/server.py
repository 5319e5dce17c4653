"""The simulator's HTTP server: OpenAI's routes, and under /_ those that steer it and show its bill."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from talkmeter.simulator import models
from talkmeter.simulator.asked import decode
from talkmeter.simulator.bill import Bill
from talkmeter.simulator.faults import Fault, parse_fault
from talkmeter.simulator.refusals import Refusal, bad_key

if TYPE_CHECKING:
    from aiohttp import web

    from talkmeter.simulator.service import Service

_CREATED = 1_795_132_800  # 2026-11-20, the day the models were made
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


class Simulator:
    """An OpenAI-compatible upstream on real HTTP that keeps its own bill.

    bill_path: JSON lines, made if missing; None = in memory only. tokens_per_second: 0 = as fast as
    possible. seed: chooses among answers. Use `start` and `stop`, in any event loop.
    """

    def __init__(self, bill_path: Path | None, tokens_per_second: float = 80, seed: int = 0) -> None:
        self._bill = Bill(bill_path)
        self._tokens_per_second = tokens_per_second
        self._seed = seed
        self._service: Service | None = None
        self._runner: web.AppRunner | None = None

    @property
    def bill(self) -> Bill:
        """What was charged: `.rows`, `.totals()`, `.as_dict()`; readable after `stop`, too."""
        return self._bill

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen and return the base URL, which ends in /v1. port 0: any free one. Raises OSError."""
        from aiohttp import web

        from talkmeter.simulator.service import BODY_LIMIT, Service

        self._bill.open()
        self._service = Service(self._bill, self._tokens_per_second, self._seed)
        guards = [_only_this_machine] if host in _LOOPBACK else []
        app = web.Application(client_max_size=BODY_LIMIT, middlewares=[web.middleware(one) for one in guards])
        app.add_routes(_routes(self._service))
        # A client that leaves cancels its handler: that is how the bill learns of it at once.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        try:
            await self._runner.setup()
            await web.TCPSite(self._runner, host, port).start()
        except BaseException:
            await self.stop()
            raise
        bound = self._runner.addresses[0]
        return f"http://{f'[{host}]' if ':' in host else host}:{bound[1]}/v1"

    async def stop(self) -> None:
        """End what runs, write the bill, stop listening. Stopping twice is harmless."""
        if self._service is not None:
            await self._service.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None
        self._bill.close()

    def script(self, *faults: Fault | dict[str, Any]) -> None:
        """Queue faults for the requests to come, as `POST /_script` does."""
        made = [fault if isinstance(fault, Fault) else parse_fault(fault, "script") for fault in faults]
        self._running_service().script.extend(made)

    async def step(self, events: int = 1, request_id: str | None = None, wait: float = 5.0) -> list[dict[str, Any]]:
        """Let gated requests go on by `events` events, as `POST /_step` does."""
        return await self._running_service().step(events, request_id, wait)

    async def settled(self, wait: float = 5.0) -> bool:
        """Wait until no request runs, at most `wait` seconds. True if none does."""
        return await self._running_service().settled(wait)

    def _running_service(self) -> "Service":
        if self._service is None:
            raise RuntimeError("The simulator has not been started: await start() first.")
        return self._service


async def _only_this_machine(request: "web.Request", handler: Any) -> Any:
    """Refuse what a foreign web page could make a browser send to a loopback port."""
    from aiohttp import web

    name = request.host if request.host.endswith("]") else request.host.rpartition(":")[0] or request.host
    if name not in _LOOPBACK:
        refusal = Refusal(421, f"The simulator answers to 127.0.0.1 and localhost only, not to '{name}'.")
        return web.json_response(refusal.body(), status=421)
    if request.headers.get("Sec-Fetch-Site", "none") in ("cross-site", "same-site"):
        refusal = Refusal(403, "The simulator does not answer requests made by other sites' pages.")
        return web.json_response(refusal.body(), status=403)
    return await handler(request)


def _routes(service: "Service") -> "list[web.AbstractRouteDef]":
    from aiohttp import web

    async def list_models(request: web.Request) -> web.Response:
        if _has_bad_key(request):
            return _json(bad_key().body(), 401)
        return _json({"object": "list", "data": [_model(name) for name in models.offered()]})

    async def show_model(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            models.find(name)
        except Refusal as refusal:
            return _json(refusal.body(), refusal.status)
        return _json(_model(name))

    async def unknown(request: web.Request) -> web.Response:
        message = (
            f"Unknown request URL: {request.method} {request.path[:200]}. See docs/simulator.md for what there is."
        )
        return _json(Refusal(404, message, code="unknown_url").body(), 404)

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

    return [
        web.get("/v1/models", list_models),
        web.get("/v1/models/{name}", show_model),
        web.post("/v1/chat/completions", service.complete),
        web.get("/_bill", show_bill),
        web.delete("/_bill", clear_bill),
        web.get("/_script", show_script),
        web.post("/_script", extend_script),
        web.delete("/_script", clear_script),
        web.post("/_step", step),
        web.route("*", "/{path:.*}", unknown),
    ]


def _has_bad_key(request: "web.Request") -> bool:
    return request.headers.get("Authorization", "").removeprefix("Bearer ").strip().startswith("sk-bad")


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "talkmeter-simulator"}


class _Step(msgspec.Struct, forbid_unknown_fields=True):
    events: int = 1
    request: str | None = None
    wait: float = 5.0


def _json(value: Any, status: int = 200) -> "web.Response":
    from aiohttp import web

    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
