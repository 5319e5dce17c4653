"""The simulator as a server that can be started and stopped."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from talkmeter.simulator.bill import Bill
from talkmeter.simulator.faults import Fault, parse_fault
from talkmeter.simulator.refusals import Refusal

if TYPE_CHECKING:
    from aiohttp import web

    from talkmeter.simulator.service import Service

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


class Simulator:
    """An OpenAI-compatible upstream on real HTTP that keeps its own bill.

    bill_path: JSON lines, made if missing; None = in memory only. tokens_per_second: 0 = as fast as
    possible. seed: chooses among answers. any_model: models that the project knows are answered like ours.
    Use `start` and `stop`, in any event loop.
    """

    def __init__(
        self, bill_path: Path | None, tokens_per_second: float = 80, seed: int = 0, *, any_model: bool = False
    ) -> None:
        self._bill = Bill(bill_path)
        self._tokens_per_second = tokens_per_second
        self._seed = seed
        self._any_model = any_model
        self._service: Service | None = None
        self._runner: web.AppRunner | None = None

    @property
    def bill(self) -> Bill:
        """What was charged: `.rows`, `.totals()`, `.as_dict()`; readable after `stop`, too."""
        return self._bill

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen and return the base URL, which ends in /v1. port 0: any free one. Raises OSError."""
        from aiohttp import web

        from talkmeter.simulator.endpoints import ENDPOINTS
        from talkmeter.simulator.routes import control_routes, openai_routes
        from talkmeter.simulator.service import BODY_LIMIT, Service

        self._bill.open()
        self._service = Service(self._bill, self._tokens_per_second, self._seed, ENDPOINTS, any_model=self._any_model)
        guards = [_only_this_machine] if host in _LOOPBACK else []
        app = web.Application(client_max_size=BODY_LIMIT, middlewares=[web.middleware(one) for one in guards])
        app.add_routes([*openai_routes(self._service), *control_routes(self._service)])
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

    async def step(self, events: int = 1, request_id: str | None = None, wait: float = 20.0) -> list[dict[str, Any]]:
        """Let gated requests go on by `events` events, as `POST /_step` does."""
        return await self._running_service().step(events, request_id, wait)

    async def settled(self, wait: float = 20.0) -> bool:
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
