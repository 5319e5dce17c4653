"""Each dialect with two clients that are not ours, as people run them: `python -m websockets` and `wsdump`."""

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from support import books
from support.ports import free_port
from support.running import SimulatorProcess
from support.talkmeter_process import WAIT, run, serving

ANSWER = "one two $3 four"
PROVIDER = {"OPENAI_API_KEY": "sk-nobody", "TALKMETER_DEFAULT_MODEL": "sim-fast"}
WSDUMP = str(Path(sys.executable).with_name("wsdump"))
CLIENTS = {
    # command, and how it shows a frame
    "websockets": ([sys.executable, "-m", "websockets"], re.compile(r"\x1b\[L< ([^\n\x1b]*)")),
    "wsdump": ([WSDUMP], re.compile(r"< ([^\n\x1b]*)")),
}
DIALECTS = {
    # what is typed → what is heard, joined
    "v0": ("/?dialect=v0", "what is $3?", re.escape(ANSWER)),
    "v1": ("/", "what is $3?", re.escape(ANSWER) + re.escape("<|end|>")),
    "v2": ("/", "<|ask|>$a-talk$what is $3?", re.escape(ANSWER) + re.escape("<|end|>")),
    "v3": ("/", "<|ask|>$new$new$what is $3?", re.escape(ANSWER) + r"<\|end\|>\$room_\w{26}\$msg_\w{26}"),
}


class Typed:
    """A client's process, on whose keyboard one can type."""

    def __init__(self, name, url):
        command, self._frame = CLIENTS[name]
        self._process = subprocess.Popen(
            [*command, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._said = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while piece := self._process.stdout.read1():
            self._said += piece

    def type(self, line):
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def heard(self):
        return "".join(self._frame.findall(self._said.decode().replace("\r", "\n")))

    def hears(self, pattern):
        until = time.monotonic() + WAIT
        while re.fullmatch(pattern, self.heard()) is None:
            assert time.monotonic() < until, f"heard {self.heard()!r} in {self._said!r}"
            time.sleep(0.02)

    def end(self):
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdin.close()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A simulator, and a server on it: its data directory and its two ports."""
    folder = tmp_path_factory.mktemp("clients")
    beside = free_port()
    with SimulatorProcess(folder / "bill.jsonl") as simulator:
        surroundings = {"OPENAI_BASE_URL": simulator.base_url, **PROVIDER}
        with serving(folder / "data", "--no-open", "--websocket-port", beside, **surroundings) as process:
            process.wait_for(rf"websocket\s+ws://localhost:{beside}")
            yield simulator, folder / "data", process.port, beside


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_dialect_with_each_client(house, client, dialect):
    simulator, _, _, beside = house
    path, typed, heard = DIALECTS[dialect]
    simulator.script({"answer": ANSWER})
    used = Typed(client, f"ws://localhost:{beside}{path}")
    try:
        used.type(typed)
        used.hears(heard)
    finally:
        used.end()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_context_is_kept_and_the_main_port_speaks_it_too(house, client):
    simulator, data_dir, port, _ = house
    simulator.script({"answer": "first"}, {"answer": "second"})
    used = Typed(client, f"ws://localhost:{port}/ws")
    try:
        used.type(f"<|ask|>${client}$new$one")
        used.hears(rf"first<\|end\|>\${client}\$msg_\w{{26}}")
        used.type(f"<|ask|>${client}$two")
        used.hears(rf"first<\|end\|>\${client}\$msg_\w{{26}}second<\|end\|>")
    finally:
        used.end()
    entries = [entry for entry in books.entries(data_dir).values() if entry["model_requested"] == "sim-fast"]
    assert {entry["surface"] for entry in entries} == {"websocket"}


def test_a_default_port_that_is_taken_is_gone_without_and_a_chosen_one_is_not(house, tmp_path):
    _, _, _, beside = house
    taken = {
        "TALKMETER_WEBSOCKET_PORT": str(beside),
        "OPENAI_API_KEY": "sk-nobody",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    }
    status, _, said = run("serve", "--port", "0", "--no-open", data_dir=tmp_path / "data", **taken)
    assert status == 2
    assert f"Port {beside} on localhost is taken" in said
    assert "--websocket-port" in said


def test_workers_hand_sockets_to_the_main_process(house, tmp_path):
    from openai import OpenAI

    simulator, _, _, _ = house
    simulator.script({"answer": "over a socket", "times": 4})
    surroundings = {"OPENAI_BASE_URL": simulator.base_url, **PROVIDER}
    options = ("--no-open", "--workers", 2, "--websocket-port", 0)
    with serving(tmp_path / "data", *options, **surroundings) as process:
        for _ in range(4):  # whichever worker gets the connection
            with (
                OpenAI(base_url=f"http://localhost:{process.port}/v1", api_key="any") as sdk,
                sdk.responses.connect() as connection,
            ):
                connection.response.create(model="sim-fast", input="hello")
                text = "".join(event.response.output_text for event in _until_completed(connection))
            assert text == "over a socket"
        used = Typed("wsdump", f"ws://localhost:{process.port}/ws")
        try:
            used.type("hello")
            used.hears(r".+<\|end\|>")
        finally:
            used.end()
        assert process.stop() == 0


def _until_completed(connection):
    for event in connection:
        if event.type == "response.completed":
            yield event
            return
