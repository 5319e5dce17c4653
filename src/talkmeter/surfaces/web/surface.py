"""The page's door as one ASGI application."""

from pathlib import Path

from starlette.requests import Request
from starlette.types import ASGIApp

from talkmeter.accounts.principals import Principal
from talkmeter.surfaces.web.access import WebRoute, build_router
from talkmeter.surfaces.web.cookies import cookie_of
from talkmeter.surfaces.web.limits import Gate, GateLimits
from talkmeter.surfaces.web.metrics import RequestMetrics
from talkmeter.surfaces.web.routes_asking import AskingRoutes
from talkmeter.surfaces.web.routes_attachments import AttachmentRoutes
from talkmeter.surfaces.web.routes_budgets import BudgetRoutes
from talkmeter.surfaces.web.routes_calls import CallRoutes
from talkmeter.surfaces.web.routes_imports import ImportRoutes
from talkmeter.surfaces.web.routes_keys import KeyRoutes
from talkmeter.surfaces.web.routes_models import ModelRouteRoutes
from talkmeter.surfaces.web.routes_operators import OperatorRoutes
from talkmeter.surfaces.web.routes_prices import PriceRoutes
from talkmeter.surfaces.web.routes_providers import ProviderRoutes
from talkmeter.surfaces.web.routes_receipts import ReceiptRoutes
from talkmeter.surfaces.web.routes_rooms import RoomRoutes
from talkmeter.surfaces.web.routes_runs import RunRoutes
from talkmeter.surfaces.web.routes_session import SessionRoutes
from talkmeter.surfaces.web.routes_settings import SettingsRoutes
from talkmeter.surfaces.web.routes_users import UserRoutes
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.static import STATIC, PageFiles


def web_surface(services: Services, static: Path = STATIC) -> ASGIApp:
    """Everything the browser speaks to. Raises UnguardedRoute if a route does not state who may use it."""
    requests = RequestMetrics()

    async def principal_of(request: Request) -> Principal | None:
        session = await services.sessions.find(cookie_of(request))
        return None if session is None else Principal(user_id=session.principal, role=session.role)

    router = build_router(web_routes(services, requests, static), principal_of, PageFiles(static).index)
    settings = services.settings
    limits = GateLimits(
        hosts=services.hosts,
        hsts_seconds=settings.get("hsts_seconds"),
        body_bytes=max(settings.get(name) for name in ("body_bytes", "upload_bytes", "import_bytes")),
    )
    return Gate(router, limits, requests.observe)


def web_routes(services: Services, requests: RequestMetrics, static: Path = STATIC) -> tuple[WebRoute, ...]:
    """All routes; the page's files last, because one of them takes any single name."""
    return (
        *SessionRoutes(services).routes(),
        *UserRoutes(services).routes(),
        *KeyRoutes(services).routes(),
        *SettingsRoutes(services).routes(),
        *ProviderRoutes(services).routes(),
        *RoomRoutes(services).routes(),
        *AskingRoutes(services).routes(),
        *RunRoutes(services).routes(),
        *ReceiptRoutes(services).routes(),
        *CallRoutes(services).routes(),
        *AttachmentRoutes(services).routes(),
        *ImportRoutes(services).routes(),
        *PriceRoutes(services).routes(),
        *BudgetRoutes(services).routes(),
        *ModelRouteRoutes(services).routes(),
        *OperatorRoutes(services, requests).routes(),
        *PageFiles(static).routes(),
    )
