"""What whoever runs Talkmeter asks: is it alive, is it ready, how much has gone through."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from talkmeter.accounts.principals import Principal
from talkmeter.errors import StoreError
from talkmeter.surfaces.web.access import Access, WebRoute
from talkmeter.surfaces.web.metrics import RequestMetrics, render
from talkmeter.surfaces.web.reading import json_answer
from talkmeter.surfaces.web.services import Services


class OperatorRoutes:
    def __init__(self, services: Services, requests: RequestMetrics) -> None:
        self._services = services
        self._requests = requests

    def routes(self) -> tuple[WebRoute, ...]:
        return (
            WebRoute("GET", "/healthz", "healthz", Access.OPEN, self.healthy),
            WebRoute("GET", "/readyz", "readyz", Access.OPEN, self.ready),
            WebRoute("GET", "/metrics", "metrics", Access.LOCAL_OR_OWNER, self.metrics),
        )

    async def healthy(self, _: Request, __: Principal | None) -> Response:
        return PlainTextResponse("ok", headers={"Cache-Control": "no-store"})

    async def ready(self, _: Request, __: Principal | None) -> Response:
        """Without a provider the page still works, so that is told but does not make us unready."""
        if self._services.runs.closing:
            return json_answer({"ready": False, "reasons": ["shutting_down"]}, 503)
        try:
            await self._services.check_store()
        except StoreError as error:
            return json_answer({"ready": False, "reasons": [error.code]}, 503)
        providers = self._services.providers
        return json_answer(
            {"ready": True, "providers": len(providers.enabled()), "simulator": providers.only_simulator}
        )

    async def metrics(self, _: Request, __: Principal | None) -> Response:
        sums = await self._services.ledger_sums()
        body, kind = render(self._requests, sums, self._services.runs.running())
        return Response(body, 200, {"Cache-Control": "no-store", "Content-Type": kind})
