"""The page's files, the headers on every answer, and what operators ask."""

import gzip
import json
import logging
import re
from pathlib import Path

import pytest

from support.web_client import Serve, Served
from support.web_house import House
from talkmeter.app.surfaces import services_of
from talkmeter.errors import StoreError
from talkmeter.metering.sums import LedgerSums
from talkmeter.surfaces.web.headers import CONTENT_SECURITY_POLICY
from talkmeter.surfaces.web.metrics import RequestMetrics, render
from talkmeter.surfaces.web.surface import web_surface

EXPECTED_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "connect-src": "'self'",
    "font-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}


@pytest.fixture
def static(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Talkmeter</title>")
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "app-1a2b.js").write_text("let a = 1")
    (folder / "assets" / "app-1a2b.js.gz").write_bytes(gzip.compress(b"let a = 1"))
    (folder / "assets" / "font-1.woff2").write_bytes(b"wOF2")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


@pytest.fixture
async def paged(house: House, serve: Serve, static: Path) -> Served:
    return await serve(web_surface(services_of(house.application), static))


async def test_the_page_is_served_at_all_its_addresses(paged: Served):
    for path in ("/", "/room/room_abc", "/room/a/b", "/settings", "/settings/models"):
        answer = await paged.send("GET", path)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), path
        assert answer.headers["cache-control"] == "no-cache"
        again = await paged.send("GET", path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status, again.body) == (304, b"")


async def test_a_browser_at_a_mistyped_address_gets_the_page_and_a_program_an_error(paged: Served):
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path in ("/xyz", "/rooms/room_abc", "/gateway/budgets"):
        page = await paged.send("GET", path, headers=browser)
        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8"), path
        for headers in ({"Accept": "application/json"}, {"Accept": "*/*"}, {}):
            answer = await paged.send("GET", path, headers=headers)
            assert (answer.status, answer.headers["content-type"]) == (404, "application/json; charset=utf-8"), path
    for method, path in (("GET", "/api/xyz"), ("GET", "/v1/xyz/abc"), ("GET", "/assets/no.js"), ("POST", "/x/y")):
        answer = await paged.send(method, path, headers=browser)
        assert (answer.status, answer.headers["content-type"]) == (404, "application/json; charset=utf-8"), path


async def test_assets_are_kept_for_ever_and_sent_small(paged: Served):
    plain = await paged.send("GET", "/assets/app-1a2b.js")
    assert (plain.status, plain.body) == (200, b"let a = 1")
    assert plain.headers["content-type"] == "text/javascript; charset=utf-8"
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    zipped = await paged.send("GET", "/assets/app-1a2b.js", headers={"Accept-Encoding": "br, gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert gzip.decompress(zipped.body) == b"let a = 1"
    assert zipped.headers["etag"] != plain.headers["etag"]
    assert (await paged.send("GET", "/assets/font-1.woff2")).headers["content-type"] == "font/woff2"
    assert (await paged.send("GET", "/favicon.svg")).headers["content-type"] == "image/svg+xml"


async def test_nothing_outside_is_served(paged: Served):
    dots = ["..", "%2e%2e", "..%2f", "%2e%2e%2f", "..%5c", "....//", "%252e%252e%252f", "..%c0%af", "..;", "%2e."]
    targets = ["secret.txt", "static/index.html", "etc/passwd", ""]
    paths = [
        f"{base}{'/'.join([dot] * depth)}/{target}"
        for base in ("/assets/", "/")
        for dot in dots
        for depth in (1, 2, 5)
        for target in targets
    ]
    assert len(paths) >= 200
    for path in [
        *paths,
        "/assets/",
        "/assets",
        "/.git",
        "/assets/.hidden",
        "/assets/app-1a2b.js%00.txt",
        "/assets/index.html%2F",
    ]:
        answer = await paged.send("GET", path)
        assert answer.status in (400, 404), path
        assert b"secret" not in answer.body


async def test_a_missing_page_says_how_to_build_it(house: House, serve: Serve, tmp_path: Path):
    served = await serve(web_surface(services_of(house.application), tmp_path / "nowhere"))
    answer = await served.send("GET", "/")
    assert answer.status == 503
    assert b"npm" in answer.body
    assert "빌드".encode() in answer.body


async def test_every_answer_carries_the_security_headers(paged: Served, house: House):
    cases = [("GET", "/"), ("GET", "/assets/app-1a2b.js"), ("GET", "/api/session"), ("GET", "/api/rooms"), ("GET", "/nothing"),
             ("GET", "/healthz"), ("PUT", "/"), ("POST", "/api/sign-in"), ("GET", "/sign-in?token=x")]  # fmt: skip
    for method, path in cases:
        answer = await paged.send(method, path, {})
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy == EXPECTED_POLICY, path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "camera=()" in answer.headers["permissions-policy"]
        assert "access-control-allow-origin" not in answer.headers
        assert "server" not in answer.headers
    assert "unsafe" not in CONTENT_SECURITY_POLICY


async def test_api_answers_are_never_cached(house: House):
    for path in ("/api/session", "/api/bootstrap", "/api/rooms", "/api/rooms/none", "/api/nothing", "/metrics"):
        assert (await house.send("GET", path)).headers["cache-control"] == "no-store", path


def test_the_built_page_needs_nothing_that_the_policy_forbids():
    """What is in the package now, if it has been built: no inline script or style, nothing from elsewhere."""
    index = Path(web_surface.__code__.co_filename).parent / "static" / "index.html"
    if not index.exists():
        index = Path(__file__).resolve().parents[2] / "web" / "index.html"
    html = index.read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>", html)
    assert not re.search(r"<style|\bstyle=|\bon\w+=", html)
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", html)


async def test_health_and_readiness(house: House):
    answer = await house.send("GET", "/healthz", cookie=None)
    assert (answer.status, answer.body) == (200, b"ok")
    ready = await house.send("GET", "/readyz", cookie=None)
    assert (ready.status, ready.json()["ready"], ready.json()["simulator"]) == (200, True, True)


async def test_an_unusable_database_is_not_ready(house: House, serve: Serve):
    await house.application.store.close()
    answer = await house.send("GET", "/readyz", cookie=None)
    assert (answer.status, answer.json()) == (503, {"ready": False, "reasons": ["store_closed"]})
    refused = await house.send("GET", "/api/rooms")
    assert (refused.status, refused.code) == (503, "store_closed")


async def test_metrics_agree_with_the_ledger(house: House):
    figures = []
    for model in ("sim-fast", "sim-fast", "sim-fault-429"):
        asked = await house.ask("Count me", room={"model": model})
        figures.append((await house.finish(asked["run_id"]))["answer"]["figures"])
    answer = await house.send("GET", "/metrics", cookie=None)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    text = answer.body.decode()
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    fast = 'surface="web",model="sim-fast"'
    label = 'talkmeter_calls_total{%s,outcome="finished",provenance="reported"}'
    calls = {name: value for name, value in lines.items() if name.startswith("talkmeter_calls_total")}
    assert float(calls.pop(next(name for name in calls if "finished" in name))) == 2.0
    assert any("refused" in name for name in calls), (label, calls)
    prompt = sum(item["prompt_tokens"] for item in figures[:2])
    money = sum(int(item["cost"]) for item in figures[:2])
    by_label = {
        frozenset(re.findall(r'(\w+)="([^"]*)"', name)): float(value)
        for name, value in lines.items()
        if name.startswith("talkmeter_tokens_total")
    }
    assert by_label[frozenset({("surface", "web"), ("model", "sim-fast"), ("kind", "prompt")})] == prompt
    spent = next(
        float(value)
        for name, value in lines.items()
        if name.startswith("talkmeter_picodollars_total") and fast.split(",")[1] in name
    )
    assert spent == money
    assert lines["talkmeter_open_entries"] == "0.0"
    assert lines["talkmeter_running_answers"] == "0.0"
    assert any(name.startswith("talkmeter_request_seconds_bucket") and 'route="ask"' in name for name in lines)


async def test_metrics_are_for_this_machine_or_the_signed_in(house: House):
    assert (await house.send("GET", "/metrics", cookie=None)).status == 200
    for header in ("X-Forwarded-For", "Forwarded", "Via"):
        passed_on = await house.send("GET", "/metrics", cookie=None, headers={header: "203.0.113.9"})
        assert passed_on.status == 401
        assert (await house.send("GET", "/metrics", headers={header: "203.0.113.9"})).status == 200


def test_model_names_cannot_flood_the_metrics():
    sums = [
        LedgerSums(
            surface="web", model=f"m{number}", outcome="finished", provenance="reported", calls=number, prompt_tokens=1,
            completion_tokens=1, picodollars=1, unpriced_calls=0,
        )
        for number in range(1, 1001)
    ]  # fmt: skip
    text = render(RequestMetrics(), sums, 0)[0].decode()
    names = set(re.findall(r'model="([^"]+)"', text))
    assert len(names) == 201
    assert "other" in names
    total = sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("talkmeter_calls_total"))
    assert total == sum(range(1, 1001))


async def test_every_request_has_an_id_and_a_line_in_the_log_without_content(house: House, caplog):
    caplog.set_level(logging.INFO, "talkmeter")
    given = await house.send("GET", "/api/session?token=geheim-token", headers={"X-Request-ID": "my-request-1"})
    assert given.headers["x-request-id"] == "my-request-1"
    for bad in ("short", "a" * 65, "with blank in it", 'quote"quote', "한글한글한글"):
        made = await house.send("GET", "/api/session", headers={"X-Request-ID": bad})
        assert made.headers["x-request-id"].startswith("req_")
    await house.send("POST", "/api/preview", {"text": "streng geheimer Text"})
    await house.send("POST", "/api/sign-in", {"password": "geheimes Passwort"})
    lines = [record for record in caplog.records if record.message == "request"]
    assert any(record.request_id == "my-request-1" and record.route == "session" for record in lines)
    record = next(record for record in lines if record.route == "preview")
    assert (record.method, record.path, record.status) == ("POST", "/api/preview", 200)
    assert "geheim" not in json.dumps([str(vars(record)) for record in caplog.records])


async def test_probes_leave_no_line_but_for_those_who_look_for_everything(house: House, caplog):
    for level, paths in ((logging.INFO, []), (logging.DEBUG, ["/healthz", "/readyz", "/metrics"])):
        caplog.clear()
        with caplog.at_level(level, "talkmeter"):
            for path in ("/healthz", "/readyz", "/metrics"):
                assert (await house.send("GET", path)).status == 200
        assert [record.path for record in caplog.records if record.message == "request"] == paths


async def test_a_fault_of_ours_is_a_500_with_an_id_and_no_detail(house: House, serve: Serve, monkeypatch, caplog):
    async def broken(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(house.application.rooms, "page", broken)
    answer = await house.send("GET", "/api/rooms")
    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"secret" not in answer.body
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]
    failed = next(record for record in caplog.records if record.message == "route_failed")
    assert failed.request_id == answer.headers["x-request-id"]

    async def full(*_: object) -> None:
        raise StoreError("No room", "공간이 없습니다", status=507, code="store_full")

    monkeypatch.setattr(house.application.rooms, "page", full)
    assert (await house.send("GET", "/api/rooms")).status == 507
