"""The ways in: a tuple, not a scan. A new surface is one folder and one line here."""

from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from talkmeter.app.wiring import Application
from talkmeter.surfaces.web.guard import GuardLimits, guarded_protocol
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.surface import web_surface


def build_surfaces(application: Application) -> ASGIApp:
    """What answers HTTP requests. The page is the only surface so far, so nothing needs to choose among them."""
    return web_surface(services_of(application))


def services_of(application: Application) -> Services:
    accounts, store = application.accounts, application.store
    return Services(
        conversation=application.conversation,
        rooms=application.rooms,
        runs=application.runs,
        receipts=application.receipts,
        images=application.images,
        prices=application.prices,
        upstreams=application.registry,
        settings=accounts.settings,
        sessions=accounts.sessions,
        passwords=accounts.passwords,
        providers=accounts.providers,
        check_store=store.check,
        ledger_sums=store.ledger_sums,
    )


def protocol(application: Application) -> type[HttpToolsProtocol]:
    """The guarded HTTP protocol, with the limits of the settings."""
    get = application.accounts.settings.get
    return guarded_protocol(
        GuardLimits(
            header_bytes=get("header_bytes"),
            header_count=get("header_count"),
            header_seconds=get("header_seconds"),
            body_idle_seconds=get("body_idle_seconds"),
            connections_per_address=get("connections_per_address"),
        )
    )
