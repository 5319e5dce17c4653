"""A provider that is this very server is refused before anything is sent."""

import json
import sqlite3
import urllib.error
import urllib.request

import pytest

from support.ports import free_port
from support.talkmeter_process import signed_in
from talkmeter.app.own_address import OwnAddress


class Listening:
    def __init__(self, *name):
        self.name = name

    def getsockname(self):
        return self.name


HERE = [Listening("127.0.0.1", 8640), Listening("::1", 8640, 0, 0)]


@pytest.mark.parametrize(
    ("sockets", "url", "ours"),
    [
        (HERE, "http://localhost:8640/v1", True),
        (HERE, "http://127.0.0.1:8640/v1", True),
        (HERE, "http://[::1]:8640", True),
        (HERE, "http://localhost:8641/v1", False),  # another one, on purpose
        (HERE, "http://192.0.2.2:8640/v1", False),
        (HERE, "http://localhost/v1", False),
        ([Listening("127.0.0.1", 80)], "http://localhost/v1", True),
        ([Listening("127.0.0.1", 443)], "https://localhost/v1", True),
        ([Listening("0.0.0.0", 8640)], "http://localhost:8640/v1", True),
        ([Listening("0.0.0.0", 8640)], "http://box.lan:8640/v1", True),
        ([Listening("0.0.0.0", 8640)], "http://other.lan:8640/v1", False),
        ([Listening("192.0.2.2", 8640)], "http://192.0.2.2:8640/v1", True),
        ([Listening("192.0.2.2", 8640)], "http://box.lan:8640/v1", True),
        ([Listening("192.0.2.2", 8640)], "http://localhost:8640/v1", False),  # somebody else may be there
        ([], "http://localhost:8640/v1", False),
    ],
)
def test_which_addresses_are_ours(sockets, url, ours):
    own = OwnAddress(("box.lan",))
    own.listens(sockets)
    assert own.is_ours(url) is ours


def asked(port, path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.parametrize("workers", [(), pytest.param(("--workers", "2"), marks=pytest.mark.slow)])
def test_a_server_that_is_its_own_provider_says_so_and_calls_nobody(tmp_path, workers):
    port = free_port()
    options = ("--port", port, "--no-open", *workers)
    with signed_in(tmp_path, *options, OPENAI_BASE_URL=f"http://localhost:{port}/v1") as (process, browser):
        body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}).encode()
        status, told = asked(port, "/v1/chat/completions", body)
        assert (status, told["error"]["code"]) == (502, "provider_is_itself")
        assert asked(port, "/v1/models")[1]["data"] == []
        tested = browser.json("POST", "/api/providers/test", {"base_url": f"http://localhost:{port}/v1"})
        assert tested["ok"] is False
        assert "this Talkmeter itself" in tested["error"]["message"]
        assert process.stop() == 0
    with sqlite3.connect(tmp_path / "talkmeter.db") as connection:
        assert connection.execute("SELECT count(*) FROM ledger_entries").fetchone() == (0,)
