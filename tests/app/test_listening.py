"""Sockets: both loopback addresses on one port, clear words when they cannot be had."""

import errno
import re
import socket

import pytest

from talkmeter.app import listening
from talkmeter.app.listening import PORTS_TO_SUGGEST, bind, bind_beside, bind_for, is_loopback, url_of
from talkmeter.errors import SettingError


@pytest.fixture
def bound():
    """bound(host, port): the sockets, closed after the test."""
    made = []

    def binding(host, port=0):
        sockets = bind(host, port)
        made.extend(sockets)
        return sockets

    yield binding
    for one in made:
        one.close()


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_localhost_is_both_addresses_on_one_port(bound):
    sockets = bound("localhost")
    addresses = {one.getsockname()[0] for one in sockets}
    assert addresses == ({"127.0.0.1", "::1"} if has_ipv6() else {"127.0.0.1"})
    assert len({one.getsockname()[1] for one in sockets}) == 1


def test_without_ipv6_it_carries_on(bound, monkeypatch):
    real = listening._listen

    def no_ipv6(family, address, port):
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return real(family, address, port)

    monkeypatch.setattr(listening, "_listen", no_ipv6)
    (only,) = bound("localhost")
    assert only.getsockname()[0] == "127.0.0.1"


def test_a_free_port_that_is_taken_on_the_other_address_is_tried_again(bound, monkeypatch):
    real, tries = listening._listen, []

    def taken_once(family, address, port):
        tries.append(address)
        if address == "::1" and tries.count("::1") == 1:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        return real(family, "127.0.0.1", 0) if address == "::1" else real(family, address, port)

    monkeypatch.setattr(listening, "_addresses", lambda *_: [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "::1")])
    monkeypatch.setattr(listening, "_listen", taken_once)
    assert len(bound("localhost")) == 2
    assert tries == ["127.0.0.1", "::1", "127.0.0.1", "::1"]


def test_a_taken_port_is_named_with_what_to_do(bound):
    port = bound("127.0.0.1")[0].getsockname()[1]
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(SettingError) as caught:
            bind(host, port)
        assert caught.value.code == "port_taken"
        assert str(port) in caught.value.message
        suggested = int(re.search(r"--port (\d+)", caught.value.hint)[1])
        assert suggested == 0 or port < suggested <= port + PORTS_TO_SUGGEST


def bound_again(host, port, setting):
    with pytest.raises(SettingError) as caught:
        bind(host, port, setting)
    return caught.value


def taking(monkeypatch, *taken):
    """As if these ports were taken, and all others free."""

    def listen(_family, _address, port):
        if port in taken:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        return socket.socket()

    monkeypatch.setattr(listening, "_listen", listen)


@pytest.mark.parametrize(
    ("setting", "taken", "suggested"),
    [
        ("grpc_port", [9000], "--grpc-port 9002"),  # 9001 is for WebSockets
        ("grpc_port", [9000, 9002], "--grpc-port 9004"),
        ("websocket_port", [9001], "--websocket-port 9003"),  # and not what gRPC is told to take
        ("websocket_port", [8999], "--websocket-port 9003"),
        ("port", [8640, 8642], "--port 8644"),
        ("port", [8638], "--port 8642"),
        ("port", [443], "--port 0"),
    ],
)
def test_the_port_that_is_suggested_is_free_and_not_one_of_our_own(monkeypatch, setting, taken, suggested):
    taking(monkeypatch, *taken)
    refused = bound_again("127.0.0.1", taken[0], setting)
    assert f"{suggested} " in refused.hint
    assert f"{suggested} " in refused.hint_ko
    assert ("(0 is off)" in refused.hint) is (setting != "port")


def test_where_no_port_near_is_free_none_is_suggested(monkeypatch):
    taking(monkeypatch, *range(65000, 65536))
    assert bound_again("127.0.0.1", 65530, "grpc_port").hint == "Choose another by --grpc-port (0 is off)."
    assert "--port 0 " in bound_again("127.0.0.1", 65535, "port").hint


def test_a_port_of_the_system_is_named(monkeypatch):
    def forbidden(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(listening, "_listen", forbidden)
    for setting, usual in (("port", 8640), ("grpc_port", 9000), ("websocket_port", 9001)):
        refused = bound_again("127.0.0.1", 80, setting)
        assert refused.code == "port_forbidden"
        assert f"--{setting.replace('_', '-')} {usual}." in refused.hint


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_ours(host):
    with pytest.raises(SettingError) as caught:
        bind(host, 0)
    assert caught.value.code == "cannot_listen"


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.4", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_what_stays_on_this_machine(host, inside):
    assert is_loopback(host) is inside


@pytest.mark.parametrize(
    ("host", "shown"),
    [("localhost", "localhost"), ("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "localhost"), ("::1", "[::1]")],
)
def test_the_address_for_a_browser(bound, host, shown):
    sockets = bound("127.0.0.1")
    assert url_of(host, sockets) == f"http://{shown}:{sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("system", ["linux", "elsewhere"])
def test_workers_share_a_port_that_nobody_else_can_have(monkeypatch, system):
    if system != "linux":
        monkeypatch.setattr(listening.sys, "platform", system)
    shares = bind_for(3, "localhost", 0)
    try:
        ports = {one.getsockname()[1] for sockets in shares for one in sockets}
        assert (len(shares), len(ports)) == (3, 1)
        assert len({one.fileno() for sockets in shares for one in sockets}) == 3 * len(shares[0])
        assert not any(one.get_inheritable() for sockets in shares for one in sockets)
        (port,) = ports
        for taken in (bind, lambda host, port: bind_for(2, host, port)):
            with pytest.raises(SettingError) as refused:
                taken("localhost", port)
            assert refused.value.code == "port_taken"
    finally:
        for sockets in shares:
            for one in sockets:
                one.close()


def test_a_port_beside_the_main_one():
    """Nobody's choice can be gone without, somebody's cannot; 0 is none."""
    assert bind_beside("localhost", 0, "websocket_port", chosen=True) == ([], None)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        sockets, error = bind_beside("127.0.0.1", port, "websocket_port", chosen=False)
        assert sockets == []
        assert (error.code, error.param) == ("port_taken", "websocket_port")
        assert (
            re.search(r"--websocket-port \d+ \(0 is off\)", error.hint) or "another by --websocket-port" in error.hint
        )
        with pytest.raises(SettingError):
            bind_beside("127.0.0.1", port, "websocket_port", chosen=True)
    with pytest.raises(SettingError) as caught:
        bind_beside("192.0.2.1", 9001, "websocket_port", chosen=False)
    assert caught.value.code == "cannot_listen"
    sockets, error = bind_beside("127.0.0.1", port, "websocket_port", chosen=False)
    assert error is None
    for one in sockets:
        one.close()
