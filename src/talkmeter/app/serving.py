"""The server's life: bind, open, recover, answer, and end in order at a signal."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine

from talkmeter import __version__, logs
from talkmeter.accounts.sessions import FIRST_LINK_SECONDS
from talkmeter.app import default_model, tls
from talkmeter.app.grpc_server import GrpcDoor
from talkmeter.app.handing_over import taking_over
from talkmeter.app.host_names import nameless
from talkmeter.app.http_server import (
    Server,
    StopSignal,
    calm_collector,
    handshake_limits,
    loop_factory,
    server_config,
)
from talkmeter.app.listening import bind, bind_beside, bind_for, is_loopback, refuse_equal_ports, url_of
from talkmeter.app.occupancy import Occupancy, WorkersLock
from talkmeter.app.sockets import SocketProtocol
from talkmeter.app.surfaces import build_surfaces, programs, protocol
from talkmeter.app.wiring import Application, make_data_dir, open_application
from talkmeter.app.workers import Workers
from talkmeter.config import BY_NAME, Resolved
from talkmeter.conversation.runs import Closed
from talkmeter.errors import SettingError, TalkmeterError
from talkmeter.store.exclusive import Held
from talkmeter.wording import numbered

log = logging.getLogger(__name__)

Say = Callable[[str], None]

_background: set[asyncio.Task[None]] = set()  # the loop itself keeps no task alive


def run_server(resolved: Resolved, say: Say) -> int:
    """Serves until SIGINT or SIGTERM; the exit status. Raises TalkmeterError if it cannot start. say: prints a line."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(serve(resolved, say))


async def serve(resolved: Resolved, say: Say) -> int:
    """As run_server, in a running loop."""
    logs.set_up(resolved)
    host: str = resolved.get("host")
    count: int = resolved.get("workers")
    _refuse_workers(count)
    refuse_equal_ports(resolved)
    make_data_dir(resolved.data_dir)
    async with contextlib.AsyncExitStack() as ending:
        occupancy = Occupancy(resolved.data_dir)
        ending.callback(occupancy.release)
        lock = WorkersLock(resolved.data_dir)
        ending.callback(lock.release)
        await lock.acquire()
        application = await open_application(resolved)
        ending.push_async_callback(application.close)
        application.tell_of_calls()
        await _refuse_open_door(application, host)
        _refuse_unknown_provider(application)
        port: int = resolved.get("port")
        shares = bind_for(count, host, port) if count > 1 else [bind(host, port)]
        for sockets in shares:
            ending.callback(_close, sockets)
            application.own_address.listens(sockets)
        beside = _bind_sockets_port(resolved, host, say)
        ending.callback(_close, beside)
        grpc = GrpcDoor(application)
        url = url_of(host, shares[0], application.tls)
        held: Held | None = None
        if resolved.get("database_url"):  # a database elsewhere may have servers on other machines
            held = await ending.enter_async_context(application.store.exclusive("server", wait=False))
        for warning in application.store.warnings:
            level = logging.WARNING if warning.acute else logging.DEBUG  # `talkmeter doctor` tells them all
            log.log(level, warning.code, extra={"about": warning.message})
        await application.recover()
        occupancy.say_where(url, application.accounts.providers.names_from_settings())
        await _answer(application, url, shares, beside, lock, held, grpc, say)
    return 0


async def _answer(
    application: Application,
    url: str,
    shares: list[list[socket.socket]],
    beside: list[socket.socket],
    lock: WorkersLock,
    held: Held | None,
    grpc: GrpcDoor,
    say: Say,
) -> None:
    """shares: the listening sockets of each worker; those of one are answered by this process itself, as `beside`.

    held: what keeps other servers off the database.
    """
    workers = None
    if len(shares) > 1:
        application.accounts.sealer.make_key()
        workers = Workers(application, shares, lock.fd)
    server = _server(application, workers, beside)
    calm_collector()
    stop = StopSignal()
    if hasattr(signal, "SIGUSR1"):  # sent by the commands that change something; see app.administration
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _reload, application)
    serving = asyncio.create_task(server.serve([*(shares[0] if workers is None else []), *beside]), name="server")
    aside: list[asyncio.Task[None]] = []
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.002)
        if workers is not None:
            await workers.start(server)
        link = await _sign_in_link(application, url)
        _say_facts(application, url, link, beside, say)
        _open_browser(application, link)
        grpc.open(say)
        aside = _go_on_beside(application, held, stop)
        await asyncio.wait([serving, asyncio.ensure_future(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
        seconds = f"{application.accounts.settings.get('shutdown_seconds'):g}"
        say(f"Stopping: answers under way have {seconds} s to finish. Once more to stop at once.")
    finally:
        server.should_exit = True
        grace: float = application.accounts.settings.get("shutdown_seconds")
        ending = [] if workers is None else [asyncio.create_task(workers.stop(grace), name="workers")]
        _say_closed(await grpc.close(application.end_runs(grace), grace), say)
        await asyncio.gather(*ending)
        for task in aside:
            task.cancel()
        await asyncio.wait([serving])
        stop.restore()
    serving.result()


def _server(application: Application, workers: Workers | None, beside: list[socket.socket]) -> Server:
    door = programs(application)
    kind = protocol(application, door if workers is None else None)
    if workers is not None:
        kind = taking_over(kind, workers.answer)
    surfaces = build_surfaces(application, door, beside[0].getsockname()[1] if beside else 0)
    config = server_config(application, surfaces, kind, SocketProtocol(application))
    return Server(config, application.tls, handshake_limits(application.accounts.settings))


def _go_on_beside(application: Application, held: Held | None, stop: StopSignal) -> list[asyncio.Task[None]]:
    """What goes on for as long as the server answers."""
    works = {"begin": default_model.begin(application), "watch": application.watch()}
    if held is not None:
        works["hold"] = _hold(held, stop)
    if application.tls is not None:
        works["tls"] = tls.watch(application.tls)
    return [asyncio.create_task(_beside(name, work), name=name) for name, work in works.items()]


def _bind_sockets_port(resolved: Resolved, host: str, say: Say) -> list[socket.socket]:
    """The port of the WebSocket dialects. Raises SettingError if somebody asked for this very one and it is taken."""
    chosen = resolved.source("websocket_port") != "default"
    sockets, error = bind_beside(host, resolved.get("websocket_port"), "websocket_port", chosen=chosen)
    if error is not None:
        say(f"Without the WebSocket port: {error.message} {error.hint} /ws on the main port is there.")
    return sockets


async def _hold(held: Held, stop: StopSignal) -> None:
    """Ends this server if another one has the database now: it settles what this one has under way."""
    await held.lost()
    log.error("database_taken_by_another_server")
    stop.ask()


def _say_closed(closed: Closed, say: Say) -> None:
    if closed.interrupted:
        say(f"  interrupted  {numbered(closed.interrupted, 'answer')}; what had come is kept and settled")
    if closed.waiting:
        continues = "it continues" if closed.waiting == 1 else "they continue"
        say(f"  waiting      {numbered(closed.waiting, 'question')}; {continues} after the restart")
    log.info("stopped", extra={"interrupted": closed.interrupted, "waiting": closed.waiting})


async def _beside(about: str, work: Coroutine[None, None, None]) -> None:
    try:
        await work
    except Exception:
        log.exception("work_beside_failed", extra={"about": about})


def _reload(application: Application) -> None:
    async def reloading() -> None:
        try:
            await application.reload()
            log.info("reloaded")
        except TalkmeterError as error:
            log.error("reload_failed", extra={"reason": error.message})

    task = asyncio.create_task(reloading(), name="reload")
    _background.add(task)
    task.add_done_callback(_background.discard)


def _refuse_workers(count: int) -> None:
    if count > 1 and os.name != "posix":
        raise SettingError(
            "More than one worker needs a system that hands sockets from process to process; Windows does not.",
            "작업 프로세스를 둘 이상 두려면 소켓을 프로세스끼리 넘겨줄 수 있어야 하는데 Windows에서는 할 수 없습니다.",
            hint="Leave workers at 1.",
            hint_ko="workers를 1로 두십시오.",
            code="workers_unsupported",
            param="workers",
        )


def _refuse_unknown_provider(application: Application) -> None:
    """One that is set for this start must be there; any other may have been deleted on the page since it was set."""
    wanted, source = application.resolved.get("default_provider_id"), application.resolved.source("default_provider_id")
    known = [account.id for account in application.accounts.providers.all()]
    if wanted is None or source == "default" or wanted in known:
        return
    if source != "flag":
        log.warning("default_provider_missing", extra={"setting": source, "provider": wanted, "known": known})
    else:
        setting = BY_NAME["default_provider_id"]
        listed = ", ".join(known)
        where = application.resolved.values["default_provider_id"].where
        raise setting.error(source, where, wanted, wanted=(f"the id of a provider: {listed}", f"제공자의 id: {listed}"))


async def _refuse_open_door(application: Application, host: str) -> None:
    """Beyond this machine only with a password, and over plain HTTP only if that is said on purpose."""
    if is_loopback(host):
        return
    if not await application.accounts.passwords.owner_has_one():
        raise SettingError(
            f"The server would be open to others on {host}, but no password is set.",
            f"{host}에서 다른 사람도 접속할 수 있게 되지만 비밀번호가 설정되지 않았습니다.",
            hint="Run `talkmeter password` first, or leave the host at localhost.",
            hint_ko="먼저 `talkmeter password`를 실행하거나 host를 localhost로 두십시오.",
            code="password_needed",
            param="host",
        )
    if application.tls is None and not application.resolved.get("allow_insecure"):
        raise SettingError(
            f"On {host} the page, its password and all texts would travel unencrypted.",
            f"{host}에서는 페이지, 비밀번호, 모든 글이 암호화되지 않은 채 오갑니다.",
            hint="Give it a certificate: --tls-cert and --tls-key (`talkmeter cert` makes one). "
            "Or put a server with TLS in front, keep host at localhost and name it in allowed_hosts; "
            "or say --allow-insecure in a network that you trust.",
            hint_ko="--tls-cert와 --tls-key로 인증서를 지정하십시오(`talkmeter cert`로 만들 수 있습니다). "
            "또는 TLS를 처리하는 서버를 앞에 두고 host는 localhost로, 그 이름은 allowed_hosts에 적으십시오. "
            "믿을 수 있는 망이라면 --allow-insecure를 쓰십시오.",
            code="insecure",
            param="host",
        )


async def _sign_in_link(application: Application, url: str) -> str:
    token = await application.accounts.sessions.new_link_token(FIRST_LINK_SECONDS)
    return f"{url}/sign-in?token={token}"


def _say_facts(application: Application, url: str, link: str, beside: list[socket.socket], say: Say) -> None:
    host: str = application.resolved.get("host")
    where = "this machine only" if is_loopback(host) else f"all who can reach {host}"
    enabled = application.accounts.providers.enabled()
    names = ", ".join(account.name for account in enabled) or "none; add one in Settings"
    if application.accounts.providers.only_simulator:
        names = "Simulator: not a real model; add a provider in Settings"
    say(f"Talkmeter {__version__}")
    say(f"  data       {application.resolved.data_dir}")
    say(f"  providers  {names}")
    say(f"  address    {url}  ({where})")
    if nameless(application.resolved.get, application.tls):
        say("  names      localhost only; say what others open, such as --allowed-hosts 192.168.0.7")
    if beside:
        say(f"  websocket  {url_of(host, beside, application.tls).replace('http', 'ws', 1)}")
    say(f"  sign in    {link}  (once, within 24 hours)")


def _open_browser(application: Application, link: str) -> None:
    if not application.resolved.get("open_browser") or not _has_display():
        return

    def opening() -> None:
        import webbrowser

        webbrowser.open(link)

    asyncio.get_running_loop().run_in_executor(None, opening)


def _has_display() -> bool:
    if sys.platform in ("darwin", "win32"):
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _close(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()
