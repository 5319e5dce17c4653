"""The way to an upstream: names and addresses, TLS, proxies; and what is said when there is no way."""

import asyncio
import base64
import socket
from types import SimpleNamespace

import pytest

from support import authority
from support.upstreams import CANARY, listening, post, provider_at, read_out
from talkmeter.completions import UpstreamBroke, UpstreamNotReached
from talkmeter.providers.client import Client, Timeouts
from talkmeter.providers.http import dialling
from talkmeter.providers.http.dialling import dial, in_turn
from talkmeter.providers.http.proxies import read_proxy

TWO = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Upstream:
    """Answers every request with "ok"; notes their heads, and the names that TLS asked for."""

    def __init__(self):
        self.heads = []
        self.names = []

    async def __call__(self, reader, writer):
        while True:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            await reader.readexactly(2)
            writer.write(TWO)

    def secure(self, folder, *names, **more):
        context = authority.server(folder, *names, **more)
        context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        return context


@pytest.fixture
def upstream():
    return Upstream()


@pytest.fixture
async def make_client():
    made = []

    def make(proxy=None, **more):
        client = Client(Timeouts(connect=20, headers=20, silence=20), proxy, tls=authority.trust(), **more)
        made.append(client)
        return client

    yield make
    for client in made:
        await client.close()


async def call(url, client):
    return await read_out(await provider_at(url, client).exchange(post()))


# --- TLS


async def test_over_tls_with_the_hosts_name(upstream, make_client, tmp_path):
    context = upstream.secure(tmp_path, "localhost", "127.0.0.1")
    client = make_client()
    async with listening(upstream, ssl=context) as url:
        for _ in range(3):
            assert await call(url.replace("127.0.0.1", "localhost"), client) == (b"ok", None)
        assert await call(url, client) == (b"ok", None)
    assert upstream.names in (["localhost", None], ["localhost"]), (
        "a kept connection greets once; an address is no name"
    )


@pytest.mark.parametrize(
    ("names", "days", "why"),
    [(("example.org",), 30, "Hostname mismatch|IP address mismatch"), (("127.0.0.1",), -1, "expired")],
)
async def test_a_certificate_that_is_not_right_is_not_accepted(upstream, make_client, tmp_path, names, days, why):
    async with listening(upstream, ssl=upstream.secure(tmp_path, *names, days=days)) as url:
        with pytest.raises(UpstreamNotReached, match=why):
            await call(url, make_client())
    assert upstream.heads == []


async def test_an_authority_that_is_not_trusted(upstream, tmp_path):
    client = Client(Timeouts(connect=20))
    async with listening(upstream, ssl=upstream.secure(tmp_path, "127.0.0.1")) as url:
        with pytest.raises(UpstreamNotReached, match="no secure connection came about"):
            await call(url, client)
    assert upstream.heads == []
    await client.close()


async def test_a_tls_connection_that_ends_early(make_client, tmp_path):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(TWO[:-1])
        await writer.drain()
        writer.close()

    async with listening(serve, ssl=authority.server(tmp_path, "127.0.0.1")) as url:
        body, error = await call(url, make_client())
    assert body == b"o"
    assert type(error) is UpstreamBroke


async def test_large_bodies_over_tls_both_ways(make_client, tmp_path):
    size = 3_000_000

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(size)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        writer.write(body)
        await reader.read()

    async with listening(serve, ssl=authority.server(tmp_path, "127.0.0.1")) as url:
        answer = await provider_at(url, make_client()).exchange(post(body=bytes(range(250)) * (size // 250)))
        await asyncio.sleep(0.1)  # it fills up and pauses meanwhile
        assert await read_out(answer) == (bytes(range(250)) * (size // 250), None)


async def test_closing_early_over_tls_reaches_the_upstream(make_client, tmp_path):
    gone = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nx")
        await reader.readexactly(2)
        try:
            await reader.read()
        finally:
            gone.set()

    async with listening(serve, ssl=authority.server(tmp_path, "127.0.0.1")) as url:
        answer = await provider_at(url, make_client()).exchange(post())
        assert await answer.read() == b"x"
        answer.close()
        await asyncio.wait_for(gone.wait(), 60)


async def test_a_server_that_says_nothing_to_a_greeting(make_client):
    client = Client(Timeouts(connect=0.1))

    async def serve(reader, _writer):
        await reader.read()

    async with listening(serve) as url:
        with pytest.raises(UpstreamNotReached, match="too long"):
            await call(url.replace("http:", "https:"), client)
        assert not client._upstreams._pools.popitem()[1]._open


# --- proxies


class ProxyServer:
    """Notes what it is asked; leads to wherever `to` says, or answers with `refusal`."""

    def __init__(self, to=None, refusal=None):
        self.to = to
        self.refusal = refusal
        self.asked = []

    async def __call__(self, reader, writer):
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        if self.refusal is not None:
            writer.write(self.refusal)
            await reader.read()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to)
        writer.write(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n")
        try:
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        finally:
            far_writer.transport.abort()


async def pump(reader, writer):
    while data := await reader.read(65_536):
        writer.write(data)
    writer.transport.abort()


async def test_plain_http_through_a_proxy_names_the_whole_url(upstream, make_client):
    async with listening(upstream) as url:
        client = make_client(url.replace("//", "//me:p%40ss@"))
        for _ in range(2):
            assert await call("http://no-such-host.invalid:8000/v1", client) == (b"ok", None)
    first, second = upstream.heads
    assert first == second
    line, *lines = first.split(b"\r\n")
    assert line == b"POST http://no-such-host.invalid:8000/v1/chat/completions HTTP/1.1"
    assert b"Host: no-such-host.invalid:8000" in lines
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"me:p@ss") in lines


async def test_https_through_a_proxy_is_a_tunnel_that_sees_nothing(upstream, make_client, tmp_path):
    async with listening(upstream, ssl=upstream.secure(tmp_path, "no-such-host.invalid")) as url:
        proxy = ProxyServer(to=int(url.rpartition(":")[2]))
        async with listening(proxy) as through:
            client = make_client(through.replace("//", "//me:p%40ss@"))
            for _ in range(2):
                assert await call("https://no-such-host.invalid/v1", client) == (b"ok", None)
    (asked,) = proxy.asked
    assert asked.startswith(b"CONNECT no-such-host.invalid:443 HTTP/1.1\r\nHost: no-such-host.invalid:443\r\n")
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"me:p@ss") in asked
    assert CANARY.encode() not in asked
    assert upstream.names == ["no-such-host.invalid"]
    assert all(b"roxy" not in head for head in upstream.heads)


@pytest.mark.parametrize(
    "refusal",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nmore than was asked\r\n\r\n",
        b"SSH-2.0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 9000,
    ],
    ids=["refused", "more", "another protocol", "endless"],
)
async def test_a_proxy_that_does_not_open_the_way(make_client, refusal):
    proxy = ProxyServer(refusal=refusal)
    async with listening(proxy) as through:
        client = make_client(through)
        with pytest.raises(UpstreamNotReached, match="the proxy refused") as caught:
            await call("https://no-such-host.invalid/v1", client)
    assert "Nothing was sent" in caught.value.hint
    assert not client._upstreams._pools.popitem()[1]._open


async def test_a_proxy_that_is_not_there(make_client):
    for url in ("http://no-such-host.invalid/v1", "https://no-such-host.invalid/v1"):
        with pytest.raises(UpstreamNotReached, match="connection refused"):
            await call(url, make_client("http://127.0.0.1:9"))


@pytest.mark.parametrize("proxy", ["https://h:1", "socks5://h", "http://", "http://h:x", "http://user:secret@h:99999"])
async def test_a_proxy_that_is_none_is_said_without_its_password(make_client, proxy):
    with pytest.raises(UpstreamNotReached) as caught:
        await call("http://example.org", make_client(proxy))
    assert "secret" not in caught.value.message
    assert caught.value.__cause__ is None


def test_a_proxy_without_scheme_or_port():
    assert (read_proxy("proxy.local:3128").host, read_proxy("proxy.local:3128").port) == ("proxy.local", 3128)
    assert read_proxy("http://proxy.local").port == 80
    assert "c2VjcmV0" not in repr(read_proxy("http://x:secret@h"))


# --- names and addresses


def test_families_take_turns():
    four, six = [(socket.AF_INET, n) for n in range(3)], [(socket.AF_INET6, n) for n in range(1)]
    assert in_turn([*six, *four]) == [six[0], *four]
    assert in_turn([*four, *six]) == [four[0], six[0], *four[1:]]
    assert in_turn([]) == []


@pytest.fixture
async def addresses(monkeypatch):
    """What "name" resolves to here."""
    found, resolve = [], asyncio.get_running_loop().getaddrinfo

    async def getaddrinfo(host, *args, **kwargs):
        if host != "name":
            return await resolve(host, *args, **kwargs)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return found


@pytest.fixture
def sockets(monkeypatch):
    """Every socket that is made while dialling."""
    made = []

    class Noted(socket.socket):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(dialling, "socket", SimpleNamespace(**{**vars(socket), "socket": Noted}))
    return made


async def test_an_address_that_refuses_is_passed_over_at_once(upstream, addresses, sockets, monkeypatch):
    monkeypatch.setattr(dialling, "NEXT_AFTER_SECONDS", 60)
    async with listening(upstream) as url:
        addresses += [("127.0.0.1", 9), ("127.0.0.1", 9), ("127.0.0.1", int(url.rpartition(":")[2]))]
        made = await dial("name", 1)
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert [one.fileno() == -1 for one in sockets] == [True, True, False]
        made.close()


async def test_an_address_that_says_nothing_is_not_waited_for(upstream, addresses, sockets, monkeypatch):
    monkeypatch.setattr(dialling, "NEXT_AFTER_SECONDS", 0.01)
    loop, connect = asyncio.get_running_loop(), asyncio.get_running_loop().sock_connect

    async def sock_connect(made, where):
        if where[1] == 1:
            await asyncio.Event().wait()
        await connect(made, where)

    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    async with listening(upstream) as url:
        addresses += [("127.0.0.1", 1), ("127.0.0.1", int(url.rpartition(":")[2])), ("127.0.0.1", 1)]
        made = await dial("name", 1)
        assert [one.fileno() == -1 for one in sockets] == [one is not made for one in sockets]
        made.close()


async def test_no_address_answers(addresses, sockets):
    addresses += [("127.0.0.1", 9)] * 3
    with pytest.raises(ConnectionRefusedError):
        await dial("name", 1)
    assert [one.fileno() for one in sockets] == [-1] * 3
    addresses.clear()
    with pytest.raises(socket.gaierror):
        await dial("name", 1)


async def test_giving_up_while_dialling_leaves_no_socket(addresses, sockets, monkeypatch):
    monkeypatch.setattr(dialling, "NEXT_AFTER_SECONDS", 0.01)

    async def sock_connect(_made, _where):
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", sock_connect)
    for count in (1, 3):
        addresses[:] = [("127.0.0.1", 1)] * count
        sockets.clear()
        task = asyncio.create_task(dial("name", 1))
        while len(sockets) < count:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [one.fileno() for one in sockets] == [-1] * count
