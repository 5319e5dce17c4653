"""Who may use which route. A new route fails here until it has its row."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.web_house import House
from talkmeter.app.surfaces import services_of
from talkmeter.surfaces.web.access import Access, UnguardedRoute, WebRoute, build_router
from talkmeter.surfaces.web.metrics import RequestMetrics
from talkmeter.surfaces.web.surface import web_routes, web_surface

OPEN, SIGNED_IN, OWNER, LOCAL = Access.OPEN, Access.SIGNED_IN, Access.OWNER, Access.LOCAL_OR_OWNER

# Every route, who may use it, and which kind of thing its {id} names.
TABLE: dict[tuple[str, str], tuple[Access, str | None]] = {
    ("GET", "/sign-in"): (OPEN, None),
    ("POST", "/api/sign-in"): (OPEN, None),
    ("POST", "/api/sign-out"): (SIGNED_IN, None),
    ("GET", "/api/session"): (OPEN, None),
    ("GET", "/api/bootstrap"): (SIGNED_IN, None),
    ("GET", "/api/users"): (OWNER, None),
    ("POST", "/api/users"): (OWNER, None),
    ("PATCH", "/api/users/{id}"): (OWNER, "user"),
    ("POST", "/api/users/{id}/password"): (SIGNED_IN, "user"),
    ("PATCH", "/api/preferences"): (SIGNED_IN, None),
    ("POST", "/api/users/{id}/invitation"): (OWNER, "user"),
    ("GET", "/api/keys"): (SIGNED_IN, None),
    ("POST", "/api/keys"): (SIGNED_IN, None),
    ("PATCH", "/api/keys/{id}"): (SIGNED_IN, "key"),
    ("POST", "/api/keys/{id}/revoke"): (SIGNED_IN, "key"),
    ("POST", "/api/keys/{id}/rotate"): (SIGNED_IN, "key"),
    ("GET", "/api/settings"): (OWNER, None),
    ("PATCH", "/api/settings"): (OWNER, None),
    ("GET", "/api/providers"): (OWNER, None),
    ("POST", "/api/providers"): (OWNER, None),
    ("POST", "/api/providers/test"): (OWNER, None),
    ("PATCH", "/api/providers/{id}"): (OWNER, "provider"),
    ("DELETE", "/api/providers/{id}"): (OWNER, "provider"),
    ("POST", "/api/providers/{id}/test"): (OWNER, "provider"),
    ("GET", "/api/models"): (SIGNED_IN, None),
    ("GET", "/api/rooms"): (SIGNED_IN, None),
    ("GET", "/api/rooms/{id}"): (SIGNED_IN, "room"),
    ("GET", "/api/rooms/{id}/messages"): (SIGNED_IN, "room"),
    ("PATCH", "/api/rooms/{id}"): (SIGNED_IN, "room"),
    ("DELETE", "/api/rooms/{id}"): (SIGNED_IN, "room"),
    ("POST", "/api/ask"): (SIGNED_IN, None),
    ("POST", "/api/messages/{id}/answer"): (SIGNED_IN, "question"),
    ("POST", "/api/preview"): (SIGNED_IN, None),
    ("GET", "/api/runs/{id}/events"): (SIGNED_IN, "run"),
    ("POST", "/api/runs/{id}/stop"): (SIGNED_IN, "run"),
    ("GET", "/api/entries/{id}/receipt"): (SIGNED_IN, "entry"),
    ("GET", "/api/calls"): (SIGNED_IN, None),
    ("GET", "/api/calls/export"): (SIGNED_IN, None),
    ("POST", "/api/attachments"): (SIGNED_IN, None),
    ("GET", "/api/attachments/{id}"): (SIGNED_IN, "attachment"),
    ("GET", "/api/imports"): (SIGNED_IN, None),
    ("POST", "/api/imports"): (SIGNED_IN, None),
    ("GET", "/api/prices"): (SIGNED_IN, None),
    ("POST", "/api/prices"): (OWNER, None),
    ("DELETE", "/api/prices/{id:path}"): (OWNER, "price"),
    ("GET", "/api/budgets"): (OWNER, None),
    ("POST", "/api/budgets"): (OWNER, None),
    ("PATCH", "/api/budgets/{id}"): (OWNER, "budget"),
    ("DELETE", "/api/budgets/{id}"): (OWNER, "budget"),
    ("GET", "/api/routes"): (OWNER, None),
    ("POST", "/api/routes"): (OWNER, None),
    ("PATCH", "/api/routes/{id}"): (OWNER, "route"),
    ("DELETE", "/api/routes/{id}"): (OWNER, "route"),
    ("GET", "/healthz"): (OPEN, None),
    ("GET", "/readyz"): (OPEN, None),
    ("GET", "/metrics"): (LOCAL, None),
    ("GET", "/"): (OPEN, None),
    ("GET", "/room/{rest:path}"): (OPEN, None),
    ("GET", "/gateway"): (OPEN, None),
    ("GET", "/settings"): (OPEN, None),
    ("GET", "/settings/{rest:path}"): (OPEN, None),
    ("GET", "/assets/{name}"): (OPEN, None),
    ("GET", "/{name}"): (OPEN, None),
}
# What belongs to one principal; what is an owner's business belongs to the installation.
PERSONAL = {"room", "question", "run", "entry", "attachment", "user", "key"}
BODIES = {
    "/api/messages/{id}/answer": {"client_id": "c"},
    "/api/runs/{id}/stop": {"mode": "cut"},
    "/api/ask": {"client_id": "c", "text": "Hello"},
    "/api/preview": {"text": "Hello"},
    "/api/providers": {"name": "Mine"},
    "/api/providers/test": {"base_url": "http://127.0.0.1:9/v1"},
    "/api/users": {"name": "Kim"},
    "/api/users/{id}/password": {"password": "a horse, a battery"},
    "/api/keys": {"name": "app"},
    "/api/keys/{id}": {"name": "mine now"},
    "/api/budgets": {"name": "Team", "amount": "5 USD", "period": "day"},
    "/api/routes": {"pattern": "fast", "targets": [{"model": "sim-fast"}]},
    "/api/prices": {"model": "m", "unit": "input", "usd_per_million": "1"},
}


@dataclass
class Owned:
    """The owner's things, by kind."""

    room: str
    question: str
    run: str
    entry: str
    attachment: str
    price: str
    key: str
    budget: str
    route: str
    user: str = "owner"
    provider: str = "provider_simulator"


@pytest.fixture
async def owned(house: House) -> Owned:
    asked = await house.ask("Mine alone")
    end = await house.finish(asked["run_id"])
    uploaded = await house.upload(tiny_png())
    price = await house.send("POST", "/api/prices", {"model": "local", "unit": "input", "usd_per_million": "1"})
    key = await house.send("POST", "/api/keys", {"name": "mine"})
    budget = await house.send("POST", "/api/budgets", {"name": "All", "amount": "5 USD", "period": "day"})
    route = await house.send("POST", "/api/routes", {"pattern": "slow", "targets": [{"model": "sim-slow"}]})
    return Owned(
        asked["room"]["id"],
        asked["question"]["id"],
        asked["run_id"],
        end["answer"]["figures"]["entry_id"],
        uploaded.json()["id"],
        price.json()["id"].replace("/", "%2F").replace("*", "%2A"),
        key.json()["key"]["id"],
        budget.json()["id"],
        route.json()["id"],
    )


def tiny_png() -> bytes:
    """The header of a PNG of 3 × 2 pixels, which is all that is read."""
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x03\x00\x00\x00\x02\x08\x02\x00\x00\x00\x12\x16\xf1\x4d"


def filled(path: str, owned: Owned, kind: str | None) -> str:
    if kind is not None:
        path = path.replace("{id:path}", "{id}").replace("{id}", getattr(owned, kind))
    path = path.replace("{rest:path}", "x").replace("{name}", "nothing.txt")
    return f"{path}?before={owned.question}" if path.endswith("/messages") else path


def test_every_route_has_its_row(house: House):
    routes = web_routes(services_of(house.application), RequestMetrics())
    assert {(route.method, route.path): route.access for route in routes} == {
        key: access for key, (access, _) in TABLE.items()
    }


def test_what_is_served_is_what_is_listed(house: House):
    surface = web_surface(services_of(house.application))
    router = surface._app
    served = {
        (method, route.path): route.app.methods[method].access
        for route in router.routes
        for method in route.app.methods
    }
    assert served == {key: access for key, (access, _) in TABLE.items()}


def test_every_route_is_described():
    """docs/page-api.md and the table name the same routes of the page's API, in both directions."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "page-api.md").read_text(encoding="utf-8")

    def plain(path: str) -> str:
        return re.sub(r"\{[^}]*\}", "{}", path)

    described = {(method, plain(path)) for method, path in re.findall(r"`(GET|POST|PATCH|DELETE) (/[^\s`?]*)", text)}
    listed = {(method, plain(path)) for method, path in TABLE if path.startswith(("/api", "/sign-in"))}
    operators = {("GET", path) for path in ("/healthz", "/readyz", "/metrics")}
    assert described == listed | operators


def test_a_route_without_access_cannot_be_built():
    async def handle(request, principal): ...

    async def nobody(request): ...

    with pytest.raises(TypeError):
        WebRoute("GET", "/x", "x", handle=handle)
    for access in (None, True, "open"):
        with pytest.raises(UnguardedRoute):
            build_router([WebRoute("GET", "/x", "x", access, handle)], nobody)
    same = WebRoute("GET", "/x", "x", Access.OPEN, handle)
    with pytest.raises(UnguardedRoute):
        build_router([same, WebRoute("GET", "/x", "x", Access.SIGNED_IN, handle)], nobody)


async def test_without_a_session_only_open_routes_answer(house: House, owned: Owned):
    for (method, path), (access, kind) in TABLE.items():
        where = filled(path, owned, kind)
        for cookie in (
            None,
            "talkmeter_session=",
            "talkmeter_session=guess",
            "__Host-talkmeter_session=" + house.cookie.split("=")[1],
        ):
            answer = await house.send(method, where, BODIES.get(path), cookie=cookie)
            if access in (SIGNED_IN, OWNER):
                assert (answer.status, answer.code) == (401, "not_signed_in"), (method, path, cookie)
                assert answer.json()["error"]["message_ko"]
            elif path != "/api/sign-in":
                assert answer.status != 401, (method, path)


async def test_another_principal_finds_nothing_and_changes_nothing(house: House, owned: Owned):
    for (method, path), (access, kind) in TABLE.items():
        if kind not in PERSONAL or access is OWNER:
            continue
        where = filled(path, owned, kind)
        theirs = await house.send(method, where, BODIES.get(path), cookie=house.stranger)
        absent = where.replace(getattr(owned, kind), "x" * len(getattr(owned, kind)))
        nothing = await house.send(method, absent, BODIES.get(path), cookie=house.stranger)
        assert (theirs.status, nothing.status) == (404, 404), (method, path)
        assert theirs.code == nothing.code
    assert (await house.send("GET", "/api/rooms", cookie=house.stranger)).json()["rooms"] == []
    assert (await house.send("GET", "/api/keys", cookie=house.stranger)).json()["keys"] == []
    assert (await house.send("GET", "/api/calls", cookie=house.stranger)).json()["calls"] == []
    (key,) = (await house.get("/api/keys"))["keys"]
    assert (key["name"], key["state"]) == ("mine", "active")
    for body in ({"room_id": owned.room}, {"attachment_ids": [owned.attachment]}):
        for path in ("/api/ask", "/api/preview"):
            extra = {"client_id": "c"} if path == "/api/ask" else {}
            answer = await house.send("POST", path, {"text": "Yours?", **body, **extra}, cookie=house.stranger)
            assert answer.status == 404, (path, body, answer.body)
    shown = await house.get(f"/api/rooms/{owned.room}")
    assert shown["messages"][0]["text"] == "Mine alone"
    assert (await house.send("GET", f"/api/attachments/{owned.attachment}")).status == 200


async def test_members_are_kept_from_what_is_an_owners_business(house: House, owned: Owned):
    before = await everything(house)
    for (method, path), (access, kind) in TABLE.items():
        answer = await house.send(method, filled(path, owned, kind), BODIES.get(path), cookie=house.stranger)
        if access is OWNER:
            assert (answer.status, answer.code) == (403, "owner_only"), (method, path)
            assert answer.json()["error"]["message_ko"]
        else:
            assert answer.status != 403, (method, path)
        if path == "/api/sign-out":
            house.stranger = f"talkmeter_session={await house.application.accounts.sessions.start(house.stranger_id)}"
    assert await everything(house) == before


async def everything(house: House):
    """What only owners may change."""
    paths = ("/api/settings", "/api/providers", "/api/users", "/api/prices", "/api/routes")
    return [await house.get(path) for path in paths], (await house.get("/api/keys?user_id=owner"))


async def test_who_is_disabled_is_nobody_at_once(house: House, owned: Owned):
    assert (await house.send("PATCH", f"/api/users/{house.stranger_id}", {"disabled": True})).status == 200
    for (method, path), (access, kind) in TABLE.items():
        if access in (SIGNED_IN, OWNER):
            answer = await house.send(method, filled(path, owned, kind), BODIES.get(path), cookie=house.stranger)
            assert (answer.status, answer.code) == (401, "not_signed_in"), (method, path)


async def test_the_figures_are_for_this_machine_and_for_owners(house: House):
    away = {"X-Forwarded-For": "203.0.113.9"}
    answers = [
        await house.send("GET", "/metrics", cookie=cookie, headers=away)
        for cookie in (house.cookie, house.stranger, None)
    ]
    assert [answer.status for answer in answers] == [200, 403, 401]
    assert (await house.send("GET", "/metrics", cookie=None)).status == 200


async def test_the_owner_is_let_in_everywhere(house: House, owned: Owned):
    reads = [(path, kind) for (method, path), (_, kind) in TABLE.items() if method == "GET"]
    for path, kind in reads:
        where = filled(path, owned, kind)
        answer = await house.send("GET", where)
        expected = {"/sign-in": 303, "/assets/{name}": 404, "/{name}": 404}.get(path, 200)
        if path in ("/", "/gateway", "/settings", "/room/{rest:path}", "/settings/{rest:path}"):
            assert answer.status in (200, 503), "503: the page has not been built in this checkout"
        else:
            assert answer.status == expected, (where, answer.body)


async def test_wrong_methods_are_405_with_the_right_ones_named(house: House, owned: Owned):
    by_path: dict[str, set[str]] = {}
    for method, path in TABLE:
        by_path.setdefault(path, set()).add(method)
    for path, methods in by_path.items():
        where = filled(path, owned, next(TABLE[m, p][1] for m, p in TABLE if p == path))
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - methods:
            answer = await house.send(method, where, {})
            assert answer.status == 405, (method, path)
            assert set(answer.headers["allow"].split(", ")) - {"HEAD"} == methods
            assert answer.code == "wrong_method"


async def test_foreign_origins_cannot_change_anything(house: House, owned: Owned):
    own = house.served.origin
    foreign = [
        "https://evil.example", "null", own.replace("http", "ftp"), own + ".evil.example", own + "@evil.example",
        own.replace("127.0.0.1", "localhost"), own[:-1], own + "/", f"{own}, {own}", "", " ", own.upper() + "X",
    ]  # fmt: skip
    for (method, path), (_, kind) in TABLE.items():
        if method == "GET":
            continue
        where = filled(path, owned, kind)
        for headers in (
            *({"Origin": origin} for origin in foreign),
            {"Origin": own, "Sec-Fetch-Site": "cross-site"},
            {"Origin": own, "Sec-Fetch-Site": "same-site"},
            {"Origin": "", "Sec-Fetch-Site": "cross-site"},
            {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        ):
            answer = await house.send(method, where, BODIES.get(path), headers=headers)
            assert (answer.status, answer.code) == (403, "foreign_origin"), (method, path, headers)
    assert (await house.get("/api/rooms"))["total"] == 1


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "", "Sec-Fetch-Site": "same-origin"}, {"Origin": "", "Sec-Fetch-Site": "none"}]
)
async def test_our_own_page_may(house: House, headers: dict[str, str]):
    assert (await house.send("PATCH", "/api/settings", {"theme": "dark"}, headers=headers)).status == 200


async def test_unknown_hosts_are_refused_first_of_all(open_house):
    house = await open_house(allowed_hosts="chat.example.org, Other.Example")
    port = house.served.port
    bad = [
        "evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.2",
        "[::2]", "0.0.0.0", "localhost:port", "localhost:1:2", "user@localhost", "localhost/x", "", "chat.example.org.evil",
        "xchat.example.org", "127.0.0.1,evil.example", "[::1", "::1",
    ]  # fmt: skip
    for host in bad:
        for path in ("/", "/api/session", "/healthz/x", "/metrics", "/api/nothing"):
            answer = await house.served.raw(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert answer is not None
            assert (answer.status, answer.code) == (421, "unknown_host"), (host, path)
    for lines in ("", "Host: localhost\r\nHost: evil.example\r\n"):
        answer = await house.served.raw(f"GET / HTTP/1.1\r\n{lines}\r\n".encode())
        assert answer is not None
        assert answer.status == 421
    for host in ("localhost", f"127.0.0.1:{port}", "[::1]:9", "LOCALHOST:80", "chat.example.org", "other.example:443"):
        answer = await house.served.raw(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert answer is not None
        assert answer.status == 200, host


async def test_probes_are_answered_under_any_name(house: House):
    for path in ("/healthz", "/readyz"):
        for lines in ("Host: 10.0.0.7:8640\r\n", "Host: evil.example\r\n", ""):
            answer = await house.served.raw(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
            assert answer is not None
            assert answer.status == 200, (path, lines)
        answer = await house.served.raw(f"POST {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode())
        assert answer is not None
        assert answer.status == 421


async def test_a_refused_host_is_told_what_to_set(house: House):
    answer = await house.served.raw(b"GET / HTTP/1.1\r\nHost: Box.lan:8640\r\n\r\n")
    assert answer is not None
    error = answer.json()["error"]
    assert "box.lan" in error["message"]
    assert "--allowed-hosts box.lan " in error["hint"]


async def test_a_foreign_host_does_not_make_a_foreign_origin_ours(house: House):
    answer = await house.send(
        "PATCH", "/api/settings", {"theme": "dark"}, host="evil.example", origin="http://evil.example"
    )
    assert answer.status == 421


async def test_paths_are_never_what_decides(house: House):
    """Authentication belongs to the route: no spelling of a path reaches a handler without it."""
    spellings = [
        "/api/rooms/", "//api/rooms", "/api//rooms", "/api/./rooms", "/healthz/../api/rooms", "/%61pi/rooms",
        "/api/rooms%2f", "/API/ROOMS", "/api/rooms;x=1", "/api/rooms?/healthz", "/api/rooms#/healthz", "/healthz%2f..%2fapi%2frooms",
        "/assets/../api/rooms", "/assets/..%2f..%2fapi/rooms", "http://localhost/api/rooms",
    ]  # fmt: skip
    for path in spellings:
        answer = await house.send("GET", path, cookie=None)
        assert answer.status in (400, 401, 404), (path, answer.status)
