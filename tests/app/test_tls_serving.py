"""A running server with TLS: versions, names, cookies, client certificates, new files under live connections."""

import json
import re
import socket
import ssl
import time

import pytest

from support.certificates import Authority, Files
from support.talkmeter_process import WAIT, Browser, run, serving, signed_in

ASKED = json.dumps(
    {"model": "sim-fast", "stream": True, "messages": [{"role": "user", "content": "say: 하나 둘 셋"}]}
).encode()
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def authority():
    return Authority()


@pytest.fixture
def files(tmp_path, authority):
    return Files(tmp_path, authority, "localhost", "127.0.0.1", "talk.example")


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


def old_client(authority, version):
    """Speaks this version only."""
    context = authority.trusting()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


def handshake(port, context):
    """(version, names of the server's certificate) of a connection of its own."""
    with (
        socket.create_connection(("127.0.0.1", port), WAIT) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        return wrapped.version(), {value for kind, value in wrapped.getpeercert()["subjectAltName"] if kind == "DNS"}


def status_of(process, context, host):
    browser = Browser(process.port, context=context)
    connection = browser.connect()
    try:
        connection.request("GET", "/", headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Strict-Transport-Security")
    finally:
        connection.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_only_tls_1_2_and_newer_are_spoken(data_dir, files, authority):
    with serving(data_dir, *files.options) as process:
        assert process.link.startswith("https://localhost:")
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            assert handshake(process.port, old_client(authority, version))[0] == name
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            with pytest.raises(OSError):
                handshake(process.port, old_client(authority, version))
        assert handshake(process.port, authority.trusting())[0] == "TLSv1.3", "it goes on"


def test_a_browser_signs_in_and_asks_with_a_cookie_that_only_tls_carries(data_dir, files, authority):
    with signed_in(data_dir, *files.options, context=authority.trusting()) as (process, browser):
        assert browser.cookie.startswith("__Host-talkmeter_session=")
        headers = browser.request("GET", "/" + _new_link(process, data_dir).split("/", 3)[3])[1]
        assert re.search(r"(?i); secure(;|$)", headers["set-cookie"])
        assert "strict-transport-security" not in headers, "it would count for all ports of this host"
        run = browser.ask("hello", "c1")
        assert "event: finished" in browser.follow(run["run_id"])
        assert process.stop() == 0


def _new_link(process, data_dir):
    status, said, _ = run("link", data_dir=data_dir)
    assert status == 0
    assert said.startswith("https://localhost:"), "as the running server is called"
    return said.strip()


def test_the_names_of_the_certificate_are_allowed_hosts_and_no_others(data_dir, files, authority):
    with serving(data_dir, *files.options, "--hsts-seconds", "600", "--allowed-hosts", "More.example") as process:
        context = authority.trusting()
        for host in ("talk.example", "talk.example:443", "localhost", "127.0.0.1:8640", "more.example"):
            assert status_of(process, context, host) == (200, "max-age=600")
        assert status_of(process, context, "evil.example")[0] == 421


def test_programs_are_answered_on_v1(data_dir, files, authority):
    with serving(data_dir, *files.options) as process:
        connection = Browser(process.port, context=authority.trusting()).connect()
        connection.request("POST", "/v1/chat/completions", ASKED, JSON)
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.read().endswith(b"data: [DONE]\n\n")
        connection.close()


def test_with_client_cas_only_clients_with_a_certificate_come_in(data_dir, files, authority, tmp_path):
    theirs_dir = tmp_path / "theirs"
    theirs_dir.mkdir()
    theirs = Files(theirs_dir, authority, "somebody")
    stranger_dir = tmp_path / "stranger"
    stranger_dir.mkdir()
    stranger = Files(stranger_dir, Authority("strangers"), "somebody")
    with serving(data_dir, *files.options, "--tls-client-ca", str(files.ca)) as process:
        known = authority.trusting(client=(theirs.cert, theirs.key))
        assert status_of(process, known, "localhost")[0] == 200
        for context in (authority.trusting(), authority.trusting(client=(stranger.cert, stranger.key))):
            with pytest.raises(OSError):
                status_of(process, context, "localhost")


def test_new_files_count_from_the_next_connection_on_and_nobody_is_cut_off(data_dir, files, authority):
    context = authority.trusting()
    with signed_in(data_dir, *files.options, "--simulator-tokens-per-second", "4", context=context) as (
        process,
        browser,
    ):
        kept = browser.connect()
        kept.request("GET", "/healthz")
        assert kept.getresponse().read() == b"ok"
        run = browser.ask("say: one two three four five six seven eight", "c1")
        streaming = browser.connect()
        streaming.request("GET", f"/api/runs/{run['run_id']}/events", headers={"Cookie": browser.cookie})
        stream = streaming.getresponse()
        assert b"id: " in stream.readline()
        assert handshake(process.port, context)[1] == {"localhost", "talk.example"}
        files.renew("localhost", "new.example")
        until = time.monotonic() + WAIT
        while handshake(process.port, context)[1] != {"localhost", "new.example"}:
            assert time.monotonic() < until
            time.sleep(0.05)
        kept.request("GET", "/healthz")
        assert kept.getresponse().read() == b"ok", "the connection from before goes on"
        assert b"event: finished" in stream.read(), "and so does the answer"
        files.cert.write_text("nothing")
        until = time.monotonic() + WAIT
        while not any("tls_not_reloaded" in line for line in process.errors):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert handshake(process.port, context)[1] == {"localhost", "new.example"}, "better the old one than none"
        kept.close()
        streaming.close()


def plain(port, request):
    with socket.create_connection(("127.0.0.1", port), WAIT) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return answer


def test_who_speaks_plain_http_is_told_what_to_do(data_dir, files):
    with serving(data_dir, *files.options) as process:
        answer = plain(process.port, b"GET /a?b=c HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % process.port)
        assert answer.startswith(b"HTTP/1.1 307 ")
        assert b"location: https://localhost:%d/a?b=c\r\n" % process.port in answer
        answer = plain(process.port, b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\ncontent-length: 2\r\n\r\n{}")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "tls_wanted"


def test_a_refusal_before_there_is_a_request_can_be_read(data_dir, files, authority):
    with serving(data_dir, *files.options) as process:
        connection = Browser(process.port, context=authority.trusting()).connect()
        connection.request("GET", "/", headers={f"X-{number}": "x" for number in range(200)})
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["error"]["code"]) == (431, "headers_too_large")
        connection.close()


def test_beyond_this_machine_a_certificate_takes_the_place_of_allow_insecure(data_dir, files):
    with serving(data_dir, "--host", "0.0.0.0", *files.options) as process:
        assert process.ended() == 2
        assert "talkmeter password" in process.output, "a password is needed all the same"


def test_files_that_cannot_be_used_end_the_start_with_words(data_dir, files):
    files.key.write_text("nothing")
    with serving(data_dir, *files.options) as process:
        assert process.ended() == 2
        assert "no private key" in process.output
