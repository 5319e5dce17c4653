"""The gRPC door's life. What it imports comes after the page already answers: it is half of the start otherwise."""

import asyncio
import importlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from talkmeter.app.listening import bind
from talkmeter.app.tls import Tls
from talkmeter.app.wiring import Application
from talkmeter.config import Resolved
from talkmeter.conversation.runs import Closed
from talkmeter.errors import SettingError

if TYPE_CHECKING:
    from talkmeter.surfaces.grpc.server import GrpcServer
    from talkmeter.surfaces.grpc.services import Services

log = logging.getLogger(__name__)

INTERRUPTING_SECONDS = 10.0  # for answers that are interrupted after the grace: their clients are told so
METADATA_BYTES = 2 << 20  # of a request beside its text: a system prompt, ids

Say = Callable[[str], None]


class GrpcDoor:
    """Raises SettingError if the port was named and is not free; off if it is the default one that is not."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._addresses, self._why_off = free_addresses(application.resolved)
        self._opening: asyncio.Task[None] | None = None
        self._server: GrpcServer | None = None

    def open(self, say: Say) -> None:
        """Begins to; says when it answers."""
        if self._why_off:
            say(f"  gRPC       {self._why_off}")
        if self._addresses:
            self._opening = asyncio.get_running_loop().create_task(self._open(say), name="grpc")

    async def close(self, runs_ended: Awaitable[Closed], grace: float) -> Closed:
        """Refuses new calls, waits for `runs_ended`, gives the last answers a moment, and ends. grace: seconds."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        server = self._server
        if server is None:
            return await runs_ended
        refusing = asyncio.get_running_loop().create_task(server.stop_accepting(grace + INTERRUPTING_SECONDS))
        closed = await runs_ended
        await server.stop()
        await refusing
        return closed

    async def _open(self, say: Say) -> None:
        try:
            await asyncio.to_thread(importlib.import_module, "talkmeter.surfaces.grpc.server")
            from talkmeter.surfaces.grpc.server import GrpcServer

            self._server = server = GrpcServer(services_of(self._application))
            tls = self._application.tls
            await server.start(self._addresses, None if tls is None else lambda: credentials_of(tls))
        except Exception:
            log.exception("grpc_not_started")
            self._server = None
            say("  gRPC       off: it did not start; the log says why")
            return
        port = self._addresses[0].rpartition(":")[2]
        say(f"  gRPC       {self._application.resolved.get('host')}:{port}")


def services_of(application: Application) -> "Services":
    from talkmeter.surfaces.grpc.services import Limits, Services

    get = application.accounts.settings.get
    limits = Limits(
        answer_seconds=get("grpc_answer_seconds"),
        write_seconds=get("grpc_write_seconds"),
        calls=get("grpc_calls"),
        message_bytes=get("text_bytes") + METADATA_BYTES,
    )
    return Services(talks=application.talks, entrance=application.entrance, limits=limits)


def credentials_of(tls: Tls) -> Any:
    """gRPC's, for one address: at each handshake it asks whether the files have changed."""
    import grpc

    given = tls.revision

    def configuration() -> Any:
        pieces = tls.grpc_credentials()
        return grpc.ssl_server_certificate_configuration([(pieces.key, pieces.chain)], pieces.client_ca)

    def newer() -> Any:
        nonlocal given
        if given == tls.revision:
            return None
        given = tls.revision
        return configuration()

    must_have_one = tls.grpc_credentials().client_ca is not None
    return grpc.dynamic_ssl_server_credentials(configuration(), newer, require_client_authentication=must_have_one)


def free_addresses(resolved: Resolved) -> tuple[list[str], str]:
    """Where to listen, as gRPC writes it, and what to say if nowhere: nothing where it was switched off."""
    port: int = resolved.get("grpc_port")
    if port == 0:
        return [], ""
    try:
        sockets = bind(resolved.get("host"), port, "grpc_port")  # only to see: gRPC listens on sockets of its own
    except SettingError as error:
        if error.code == "port_taken" and resolved.source("grpc_port") == "default":
            return [], f"off: port {port} is taken. {error.hint}"
        raise _not_free(error) from None
    names = [one.getsockname()[:2] for one in sockets]
    for one in sockets:
        one.close()
    return [f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address, _ in names], ""


def _not_free(error: SettingError) -> SettingError:
    return SettingError(
        f"gRPC cannot have its port. {error.message}",
        f"gRPC 포트를 쓸 수 없습니다. {error.message_ko}",
        hint=error.hint,
        hint_ko=error.hint_ko,
        code=error.code,
        param="grpc_port",
    )
