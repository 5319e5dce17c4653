"""Who may open a socket, where, and from which page."""

import asyncio
import json

import pytest
from websockets.exceptions import InvalidStatus

from support.raw_http import exchange
from support.sockets import SECONDS, open_responses, open_socket
from talkmeter.accounts.principals import OWNER
from talkmeter.surfaces.web.cookies import PLAIN_NAME


async def refused(opening):
    """Status and error object of a handshake that is refused."""
    with pytest.raises(InvalidStatus) as caught:
        await opening
    response = caught.value.response
    return response.status_code, json.loads(response.body)["error"]


async def test_a_dialect_that_there_is_not_is_not_guessed_at(gate):
    status, error = await refused(open_socket(gate, "/?dialect=v9"))
    assert (status, error["code"], error["param"]) == (400, "unknown_dialect", "dialect")
    assert "v0, v1, v2, v3" in error["message"]
    async with await open_socket(gate, "/?dialect=v3") as socket:
        await socket.send("<|ask|>$c$say: hi")
        assert await socket.answer() == ("hi", "<|end|>")


def own(gate, *, beside):
    return f"127.0.0.1:{gate.sockets_port if beside else gate.root.rpartition(':')[2]}"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://localhost", "http://127.0.0.1", "file://", "http://[", "ws://HOST",
                                    "http://HOST.evil.example"])  # fmt: skip
@pytest.mark.parametrize("with_key", [False, True])
async def test_pages_of_other_origins_stay_outside(gate, origin, with_key):
    key = (await gate.key())[1] if with_key else None
    for open_one, beside in ((open_socket, True), (open_responses, False)):
        named = origin.replace("HOST", own(gate, beside=beside))
        status, error = await refused(open_one(gate, beside=beside, key=key, origin=named))
        assert (status, error["code"]) == (403, "foreign_origin")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_what_the_browser_says_of_the_page_counts_too(gate, site):
    origin = f"http://{own(gate, beside=True)}"
    status, error = await refused(open_socket(gate, origin=origin, sec_fetch_site=site))
    assert (status, error["code"]) == (403, "foreign_origin")


@pytest.mark.parametrize("beside", [True, False])
async def test_a_page_of_ours_and_a_program_come_in(gate, beside):
    for headers in ({}, {"origin": f"http://{own(gate, beside=beside)}", "sec_fetch_site": "same-origin"}):
        async with await open_socket(gate, "/ws", beside=beside, **headers) as socket:
            await socket.send("Hello")
            assert (await socket.answer())[1] == "<|end|>"


async def test_a_rebound_name_does_not_make_a_page_ours(gate):
    headers = {"host": f"evil.example:{gate.sockets_port}", "origin": f"http://evil.example:{gate.sockets_port}"}
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.sockets_port)
    writer.write(handshake(**headers))
    assert (await reader.readline()).split()[1] == b"403"
    writer.close()


def handshake(path="/", method="GET", **headers):
    """The bytes of an upgrade."""
    given = {
        "host": "127.0.0.1",
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items() if value is not None)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def test_elsewhere_a_key_is_needed(open_gate):
    gate = await open_gate(gateway_local=False)
    assert (await refused(open_socket(gate)))[0] == 401
    _, token = await gate.key()
    async with await open_socket(gate, key=token) as socket:
        await socket.send("<|ask|>$c$Hello")
        await socket.answer()
    assert (await refused(open_socket(gate, key=token[:-1])))[0] == 401


async def test_behind_a_proxy_nobody_is_this_machine(gate):
    assert (await refused(open_socket(gate, x_forwarded_for="127.0.0.1")))[0] == 401


@pytest.mark.parametrize(("open_one", "doors", "hint"), [
    (open_socket, ["openai", "ask", "grpc"], "include websocket."),
    (open_responses, ["ask", "grpc"], "include openai or websocket."),
])  # fmt: skip
async def test_a_key_opens_only_its_doors(gate, open_one, doors, hint):
    _, token = await gate.key(doors=doors)
    status, error = await refused(open_one(gate, key=token))
    assert (status, error["code"]) == (403, "door_not_allowed")
    assert hint in error["message"]
    _, token = await gate.key(doors=["websocket"])
    async with await open_one(gate, key=token) as socket:
        await socket.connection.ping()


async def test_a_key_for_the_gateway_opens_the_responses_mode_too(gate):
    """As `responses.connect()` is a part of the SDK that its holder uses; it stays the surface `websocket`."""
    key, token = await gate.key(doors=["openai"])
    async with await open_responses(gate, key=token) as socket:
        await socket.send({"type": "response.create", "model": "sim-fast", "input": "hi"})
        assert (await socket.events())[-1]["type"] == "response.completed"
        await gate.application.accounts.keys.update(key.id, doors=["ask"])
        await socket.send({"type": "response.create", "model": "sim-fast", "input": "hi"})
        (said,) = await socket.events()
        assert (said["status"], said["error"]["code"]) == (403, "door_not_allowed")
    (entry,) = (await gate.check_books()).values()
    assert (entry["surface"], entry["key_id"]) == ("websocket", key.id)


@pytest.mark.parametrize(
    ("path", "beside"), [("/", False), ("/ws/", False), ("/api/rooms", False), ("/v1/realtime", False)]
)
async def test_elsewhere_there_is_no_socket(gate, path, beside):
    status, error = await refused(open_socket(gate, path, beside=beside))
    assert (status, error["code"]) == (404, "unknown_url")


async def test_bad_tags_are_refused_at_the_door_and_good_ones_stand_on_the_entry(gate):
    assert (await refused(open_socket(gate, x_talkmeter_tags="a b")))[1]["code"] == "invalid_tags"
    for open_one, asked in (
        (open_socket, "Hello"),
        (open_responses, {"type": "response.create", "model": "sim-fast", "input": "x"}),
    ):
        async with await open_one(gate, x_talkmeter_tags="team-a, batch-7") as socket:
            await socket.send(asked)
            await (socket.answer() if open_one is open_socket else socket.events())
    assert [json.loads(entry["tags"]) for entry in (await gate.check_books()).values()] == [["team-a", "batch-7"]] * 2


async def test_a_signed_in_browser_is_its_user(gate):
    accounts = gate.application.accounts
    user = await accounts.users.add("Bo")
    cookie = await accounts.sessions.start(user.id)
    origin = f"http://{own(gate, beside=False)}"
    headers = {"origin": origin, "cookie": f"{PLAIN_NAME}={cookie}"}
    async with await open_socket(gate, "/ws", beside=False, **headers) as socket:
        await socket.send("<|ask|>$c$Hello")
        await socket.answer()
        (entry,) = (await gate.ledger()).values()
        assert entry["principal"] == user.id
        await accounts.sessions.end(cookie)
        await socket.send("<|ask|>$c$Hello")
        assert (await socket.answer())[1].startswith("<|err|>$This browser is not signed in any more.")
    assert (
        await refused(open_socket(gate, "/ws", beside=False, cookie=headers["cookie"], origin="http://evil.example"))
    )[0] == 403


async def test_a_disabled_user_s_browser_is_let_go(gate):
    accounts = gate.application.accounts
    user = await accounts.users.add("Bo")
    headers = {
        "origin": f"http://{own(gate, beside=False)}",
        "cookie": f"{PLAIN_NAME}={await accounts.sessions.start(user.id)}",
    }
    socket = await open_socket(gate, "/ws", beside=False, **headers)
    await accounts.users.change(user.id, disabled=True)
    assert (await socket.closed())[0] == 1008


async def test_a_key_goes_before_a_cookie(gate):
    accounts = gate.application.accounts
    user = await accounts.users.add("Bo")
    _, token = await gate.key()
    async with await open_socket(
        gate, key=token, cookie=f"{PLAIN_NAME}={await accounts.sessions.start(user.id)}"
    ) as socket:
        await socket.send("Hello")
        await socket.answer()
    assert [entry["principal"] for entry in (await gate.ledger()).values()] == [OWNER]


async def test_on_the_sockets_port_plain_requests_are_told_so(gate):
    for path in ("/", "/v1/models", "/healthz"):
        answer = await exchange(f"http://127.0.0.1:{gate.sockets_port}{path}", method="GET")
        assert (answer.status, answer.headers["upgrade"]) == (426, "websocket")


async def test_sockets_count_as_connections_of_their_address(open_gate):
    gate = await open_gate(connections_per_address=2)
    first, second = await open_socket(gate), await open_responses(gate)
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.sockets_port)
    async with asyncio.timeout(SECONDS):
        assert (await reader.readline()).split()[1] == b"503"
    writer.close()
    await first.drop()
    await second.close()
    async with asyncio.timeout(SECONDS):
        while gate.server.server_state.connections:
            await asyncio.sleep(0.005)
    for _ in range(3):
        async with await open_socket(gate) as socket:
            await socket.send("Hello")
            assert (await socket.answer())[1] == "<|end|>"
            await socket.drop()
        async with asyncio.timeout(SECONDS):
            while gate.server.server_state.connections:
                await asyncio.sleep(0.005)
