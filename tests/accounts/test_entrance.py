"""Who comes in by a door for programs: keys by the doors they name, this machine without one, foreign pages never."""

from types import SimpleNamespace

import pytest

from talkmeter.accounts.entrance import Caller, Entrance, caller_of, is_this_machine
from talkmeter.accounts.principals import LOCAL_PRINCIPAL, Principal
from talkmeter.accounts.store import ApiKey
from talkmeter.errors import BadInput, Forbidden, NotSignedIn

KEYED = Principal(
    user_id="mina",
    role="member",
    key=ApiKey(id="key_1", name="app", user_id="mina", hint="…", created_at=1, doors=("ask", "grpc")),
)
HERE, ELSEWHERE = "127.0.0.1", "10.1.2.3"


@pytest.fixture
def entrance():
    keys = SimpleNamespace(principal=lambda token: KEYED, end_of=lambda key: f"the end of {key.id}")
    return Entrance(keys, frozenset({"chat.example.org"}))


@pytest.mark.parametrize(("address", "local"), [
    ("127.0.0.1", True), ("::1", True), ("127.8.9.1", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False),
    ("::ffff:10.0.0.1", False), ("", False), ("/run/socket", False), (None, False),
])  # fmt: skip
def test_what_this_machine_is(address, local):
    assert is_this_machine(Caller(address=address)) is local
    assert not is_this_machine(Caller(address=address, proxied=True))


@pytest.mark.parametrize("address", [HERE, ELSEWHERE])
@pytest.mark.parametrize("door", ["ask", "grpc"])
def test_a_key_opens_the_doors_that_it_names_from_anywhere(entrance, address, door):
    caller = Caller(address=address, token="tm_x", host="anything.example", origin="https://page.example")
    assert entrance.principal(door, caller) is KEYED
    assert entrance.end_of(KEYED) == "the end of key_1"


@pytest.mark.parametrize(("door", "name"), [("openai", "/v1"), ("websocket", "WebSocket"), ("fax", "fax")])
def test_and_no_others(entrance, door, name):
    with pytest.raises(Forbidden) as refused:
        entrance.principal(door, Caller(address=HERE, token="tm_x"))
    assert refused.value.code == "door_not_allowed"
    assert refused.value.message == f"This key is not for {name}."
    assert refused.value.hint == f"Use a key whose doors include {door}."


def test_one_of_several_doors_is_enough(entrance):
    caller = Caller(address=HERE, token="tm_x")
    assert entrance.principal("openai", caller, "ask") is KEYED
    with pytest.raises(Forbidden) as refused:
        entrance.principal("openai", caller, "websocket")
    assert refused.value.message == "This key is not for /v1."
    assert refused.value.hint == "Use a key whose doors include openai or websocket."
    assert refused.value.hint_ko == "openai 또는 websocket을(를) 쓸 수 있는 키를 사용하십시오."


def test_without_a_key_this_machine_is_answered_and_nobody_else(entrance):
    assert entrance.principal("ask", Caller(address=HERE, host="localhost:8000")) is LOCAL_PRINCIPAL
    assert entrance.principal("ask", Caller(address="::1", token="sk-any", host="[::1]:8000")) is LOCAL_PRINCIPAL
    assert entrance.principal("grpc", Caller(address=HERE)) is LOCAL_PRINCIPAL
    assert entrance.end_of(LOCAL_PRINCIPAL) is None
    for caller in (Caller(address=ELSEWHERE), Caller(address=None), Caller(address=HERE, proxied=True)):
        with pytest.raises(NotSignedIn):
            entrance.principal("ask", caller)
    assert entrance.principal("ask", Caller(address=ELSEWHERE, token="sk-any")) is KEYED  # it is looked up, at least


def test_where_it_is_switched_off_this_machine_needs_a_key_too():
    with pytest.raises(NotSignedIn):
        Entrance(SimpleNamespace(), local=lambda: False).principal("ask", Caller(address=HERE))


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "LocalHost.", "[::1]", "[::1]:80", "chat.example.org:443"])
def test_names_that_are_ours(entrance, host):
    assert entrance.principal("ask", Caller(address=HERE, host=host, origin=f"http://{host}")) is LOCAL_PRINCIPAL


@pytest.mark.parametrize("host", ["", "rebound.example", "localhost.rebound.example:80", "chat.example.org.evil"])
def test_names_that_are_not(entrance, host):
    with pytest.raises(BadInput) as refused:
        entrance.principal("ask", Caller(address=HERE, host=host))
    assert (refused.value.status, refused.value.code) == (421, "unknown_host")


@pytest.mark.parametrize(
    "fields",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"site": "cross-site"},
        {"site": "same-site"},
        {"host": None, "origin": "http://localhost:8000"},
    ],
)
def test_foreign_pages_need_a_key(entrance, fields):
    with pytest.raises(Forbidden) as refused:
        entrance.principal("ask", Caller(**{"address": HERE, "host": "localhost:8000"} | fields))
    assert refused.value.code == "foreign_origin"


def test_a_request_as_it_comes():
    headers = {b"authorization": b"bearer  tm_x ", b"host": b"h", b"origin": b"o", b"sec-fetch-site": b"none"}
    caller = caller_of(("1.2.3.4", 5), headers)
    assert caller == Caller(address="1.2.3.4", token="tm_x", host="h", origin="o", site="none")
    assert caller_of(None, {b"via": b"x"}) == Caller(address=None, proxied=True, host="")
    for odd in (b"Basic dTpw", b"Bearer", b"Bearer  ", b""):
        assert caller_of(None, {b"authorization": odd}).token is None


@pytest.mark.parametrize("headers", [
    {b"authorization": b"tm_x"},
    {b"authorization": b"Basic tm_x"},
    {b"authorization": b"token  tm_x"},
    {b"api-key": b"tm_x"},
    {b"authorization": b"Bearer sk-somebodys", b"x-api-key": b"tm_x"},
    {b"authorization": b"Bearer tm_x", b"api-key": b"tm_y"},
])  # fmt: skip
def test_a_key_of_ours_counts_wherever_it_is_shown(headers):
    """Else the call would be answered as if there were none, past what the key may do and to nobody's account."""
    assert caller_of(None, headers).token == "tm_x"
    assert caller_of(None, {b"authorization": b"Bearer sk-somebodys", b"api-key": b"sk-x"}).token == "sk-somebodys"
