"""The sockets that the server listens on. Bound before anything is recovered, so that a busy port says so at once."""

import errno
import ipaddress
import os
import socket
import sys
from collections.abc import Sequence

from talkmeter.app.host_names import as_called, is_everywhere
from talkmeter.app.tls import Tls
from talkmeter.config import BY_NAME, Resolved
from talkmeter.errors import SettingError

LOOPBACK = ("127.0.0.1", "::1")
BACKLOG = 1024
TRIES_FOR_A_COMMON_PORT = 20
PORTS_TO_SUGGEST = 20  # above a taken one
PORTS = ("port", "grpc_port", "websocket_port")  # settings
ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT)


def is_loopback(host: str) -> bool:
    """Whether the setting `host` keeps the server on this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def bind(host: str, port: int, setting: str = "port") -> list[socket.socket]:
    """Listening sockets, all on one port. `localhost` is 127.0.0.1 and ::1, where the machine has it.

    Raises SettingError if the port is taken, may not be used, or the host is not one of this machine. setting: says
    which port it is.
    """
    for _ in range(TRIES_FOR_A_COMMON_PORT):
        try:
            sockets = _bind_once(host, port)
        except OSError as error:
            raise _failed(host, port, error, setting) from None
        if sockets is not None:
            return sockets
    raise _failed(host, port, OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)))


def refuse_equal_ports(resolved: Resolved) -> None:
    """Raises SettingError if two of our own ports are set to be one."""
    taken: dict[int, str] = {}
    chosen = {"port", *(name for name in PORTS if resolved.source(name) != "default")}  # others do without a port
    for name in PORTS:
        port: int = resolved.get(name)
        if port and port in taken and {name, taken[port]} <= chosen:
            raise SettingError(
                f"The settings {taken[port]} and {name} are both {port}.",
                f"설정 {taken[port]}와(과) {name}이(가) 모두 {port}입니다.",
                hint="Each needs a port of its own.",
                hint_ko="서로 다른 포트를 지정하십시오.",
                code="ports_equal",
                param=name,
            )
        taken.setdefault(port, name)


def bind_beside(host: str, port: int, setting: str, *, chosen: bool) -> tuple[list[socket.socket], SettingError | None]:
    """The listening sockets of a further port; none if it is 0. chosen: whether somebody asked for this very port.

    One that nobody chose and that cannot be had is gone without, and the error says why. Raises SettingError.
    """
    if port == 0:
        return [], None
    try:
        return bind(host, port, setting), None
    except SettingError as error:
        if chosen or error.code == "cannot_listen":
            raise
        return [], error


def bind_for(workers: int, host: str, port: int) -> list[list[socket.socket]]:
    """For each worker the listening sockets of `bind`, all on one port. Raises SettingError, likewise.

    Where the system shares out connections between sockets of one port (Linux), each worker has sockets of its own;
    elsewhere all workers accept from the same ones.
    """
    for _ in range(TRIES_FOR_A_COMMON_PORT):
        first = bind(host, port)  # as if alone: sockets that share a port would not notice another server on it
        if sys.platform != "linux":
            return [first, *([one.dup() for one in first] for _ in range(workers - 1))]
        chosen = [(one.family, one.getsockname()[0], one.getsockname()[1]) for one in first]
        _close(first)
        made: list[list[socket.socket]] = []
        try:
            for _ in range(workers):
                made.append([])
                for family, address, taken in chosen:
                    made[-1].append(_listen(family, address, taken, shared=True))
        except OSError as error:
            for sockets in made:
                _close(sockets)
            if port:
                raise _failed(host, port, error) from None
        else:
            return made
    raise _failed(host, port, OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)))


def url_of(host: str, sockets: Sequence[socket.socket], tls: Tls | None = None) -> str:
    """How a browser calls the server, without a slash at the end: with TLS by a name that the certificate is for."""
    port = sockets[0].getsockname()[1]
    called = "localhost" if is_everywhere(host) else as_called(host)
    if tls is None:
        return f"http://{called}:{port}"
    hosts = tls.facts.hosts
    return f"https://{called if called in hosts or not hosts else hosts[0]}:{port}"


def usual_url(resolved: Resolved) -> str:
    """Where a server with these settings would be called on this machine."""
    scheme = "http" if resolved.get("tls_cert") is None else "https"
    return f"{scheme}://localhost:{resolved.get('port')}"


def _bind_once(host: str, port: int) -> list[socket.socket] | None:
    """None if a free port of the first address is taken on another one: another free port may do. Raises OSError."""
    sockets: list[socket.socket] = []
    try:
        for family, address in _addresses(host, port):
            chosen = sockets[0].getsockname()[1] if sockets else port
            try:
                sockets.append(_listen(family, address, chosen))
            except OSError as error:
                if sockets and error.errno in ABSENT:
                    continue
                if sockets and port == 0 and error.errno == errno.EADDRINUSE:
                    _close(sockets)
                    return None
                raise
    except OSError:
        _close(sockets)
        raise
    return sockets


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    if host == "localhost":
        return [(socket.AF_INET, LOOPBACK[0]), (socket.AF_INET6, LOOPBACK[1])]
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _listen(family: int, address: str, port: int, *, shared: bool = False) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if os.name == "posix":  # elsewhere it would let two servers share a port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((address, port))
        made.listen(BACKLOG)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made


def _close(sockets: Sequence[socket.socket]) -> None:
    for one in sockets:
        one.close()


def _free_port_above(host: str, port: int) -> int:
    """One that is free now and that Talkmeter does not take for something else by itself; 0: there is none near.

    Every other one: gRPC and WebSockets, whose own ports are neighbours, are never told to take the same.
    """
    usual = {BY_NAME[name].default for name in PORTS}
    for other in range(port + 2, min(port + PORTS_TO_SUGGEST, 65535) + 1, 2):
        try:
            sockets = None if other in usual or other < 1024 else _bind_once(host, other)
        except OSError:
            continue
        if sockets is not None:
            _close(sockets)
            return other
    return 0


def _failed(host: str, port: int, error: OSError, setting: str = "port") -> SettingError:
    flag, usual = f"--{setting.replace('_', '-')}", BY_NAME[setting].default
    if error.errno == errno.EADDRINUSE:
        other = _free_port_above(host, port)
        hint = f"Open http://localhost:{port} to see, or start with {flag} {other} (0 takes any free one)."
        hint_ko = f"http://localhost:{port} 을 열어 보거나 {flag} {other} 로 시작하십시오(0: 빈 포트)."
        if setting != "port":
            hint = f"Start with {flag} {other} (0 is off)." if other else f"Choose another by {flag} (0 is off)."
            hint_ko = f"{flag} {other or '다른 포트'} 로 시작하십시오(0: 끄기)."
        return SettingError(
            f"Port {port} on {host} is taken by another program, perhaps by Talkmeter itself.",
            f"{host}의 {port}번 포트를 다른 프로그램이 쓰고 있습니다. Talkmeter가 이미 실행 중일 수 있습니다.",
            hint=hint,
            hint_ko=hint_ko,
            code="port_taken",
            param=setting,
        )
    if error.errno == errno.EACCES:
        return SettingError(
            f"This user may not listen on port {port}.",
            f"이 사용자는 {port}번 포트에서 요청을 받을 수 없습니다.",
            hint=f"Ports below 1024 need rights of their own; take a higher one, such as {flag} {usual}.",
            hint_ko=f"1024보다 작은 포트에는 별도의 권한이 필요합니다. {flag} {usual}처럼 높은 포트를 쓰십시오.",
            code="port_forbidden",
            param=setting,
        )
    return SettingError(
        f"The server cannot listen on {host}, port {port}: {error.strerror or error}.",
        f"{host}의 {port}번 포트에서 요청을 받을 수 없습니다: {error.strerror or error}.",
        hint="`host` is localhost, 0.0.0.0 (all), or an address that this machine has.",
        hint_ko="`host`는 localhost, 0.0.0.0(모두) 또는 이 컴퓨터가 가진 주소여야 합니다.",
        code="cannot_listen",
        param="host",
    )
