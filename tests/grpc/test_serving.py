"""`talkmeter serve` with its gRPC port: the first clients, buf's curl, Node, TLS, ports that are taken, and the end."""

import json
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support import books
from support.certificates import Authority, Files
from support.grpc_house import Client, details_of, refusal
from support.grpc_wire import asked, raw_ask, response_of
from support.node import node
from support.ports import free_port
from support.processes import NotStarted, start_server, start_simulator
from talkmeter.surfaces.grpc.messages import conversations_pb2

ROOT = Path(__file__).resolve().parents[2]
SEED_CLIENT = ROOT / "tests/support/seed_grpc_client.py"
BUF = str(Path(sys.executable).with_name("buf"))
WAIT = 60  # seconds; only a hang is ever that long
METHODS = [
    "chat.Chat/Ask",
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "talkmeter.v1.Conversations/Ask",
    "talkmeter.v1.Conversations/Follow",
    "talkmeter.v1.Conversations/GetHistory",
    "talkmeter.v1.Conversations/ListRooms",
    "talkmeter.v1.Conversations/Stop",
]


@contextmanager
def serving(folder, simulator, *flags, grpc_port=None):
    """A server whose gRPC port answers, or is said to be off. Ends in order; its books are the simulator's."""
    port = grpc_port or free_port()
    data_dir = folder / "data"
    server = start_server(
        data_dir, simulator.url, flags=("--grpc-port", str(port), *flags), TALKMETER_DEFAULT_MODEL="sim-fast"
    )
    try:
        assert server.process.stdout is not None
        server.grpc = server.process.stdout.readline().strip()
        server.grpc_port = port
        yield server
        assert server.terminate() == 0
    finally:
        server.stop()


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    made = start_simulator(tmp_path_factory.mktemp("simulator") / "bill.jsonl")
    yield made
    made.stop()


def buf_curl(url, method, request=None, *flags):
    """What buf's curl prints, by reflection and gRPC. TARGET is plain unless its URL says https."""
    plain = ["--http2-prior-knowledge"] if url.startswith("http:") else []
    data = [] if request is None else ["-d", json.dumps(request)]
    command = [BUF, "curl", "--protocol", "grpc", *plain, *data, *flags, f"{url}/{method}" if method else url]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False)


def seed_client(target, *arguments, typed):
    command = [sys.executable, str(SEED_CLIENT), target, *arguments]
    done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=WAIT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.removeprefix("connected\n")


def check_answers(url, *flags):
    done = buf_curl(url, "", None, "--list-methods", *flags)
    assert done.returncode == 0, done.stderr
    assert set(METHODS) <= set(done.stdout.split())
    done = buf_curl(url, "grpc.health.v1.Health/Check", {"service": "chat.Chat"}, *flags)
    assert json.loads(done.stdout) == {"status": "SERVING"}, done.stderr
    done = buf_curl(url, "chat.Chat/Ask", {"prompt": "say: hello there", "model": "sim-fast"}, *flags)
    assert done.returncode == 0, done.stderr
    replies = _json_values(done.stdout)
    assert "".join(reply.get("response", "") for reply in replies) == "hello there"
    assert replies[-1]["usage"]["provenance"] == "reported"


def _json_values(text):
    decoder, values, at = json.JSONDecoder(), [], 0
    while at < len(text.rstrip()):
        value, at = decoder.raw_decode(text, at)
        values.append(value)
        at += len(text[at:]) - len(text[at:].lstrip())
    return values


def test_first_clients_and_others_on_both_addresses_of_localhost(tmp_path, simulator):
    with serving(tmp_path, simulator) as server:
        assert server.grpc == f"gRPC       localhost:{server.grpc_port}"
        for target in (f"localhost:{server.grpc_port}", f"127.0.0.1:{server.grpc_port}"):
            told = seed_client(target, typed="say: 하나\n\nsay: 둘\n줄\n\n").splitlines()
            first, second = told[0].split("<|end|>$"), "\n".join(told[1:]).split("<|end|>$")
            assert (first[0], second[0]) == ("하나", "둘\n줄")
            assert first[1].split("$")[0] == second[1].split("$")[0]
        conversation, parent = second[1].split("$")
        told = seed_client(f"localhost:{server.grpc_port}", conversation, parent.strip(), typed="say: 셋\n\n")
        assert told.startswith(f"셋<|end|>${conversation}$")
        told = seed_client(f"localhost:{server.grpc_port}", conversation, "msg_none", typed="say: 넷\n\n")
        assert told.startswith(f"넷<|end|>${conversation}$"), "the second asking is without the parent"
        assert seed_client(f"localhost:{server.grpc_port}", "grpc_1a2b3c4d", typed="say: old\n\n") == "old\n"
        check_answers(f"http://localhost:{server.grpc_port}")
        sent = [entry["messages_sent"] for entry in _in_order(server)]
    assert sent == [1, 3, 1, 3, 5, 5, 1, 1]


def _in_order(server):
    return sorted(books.entries(server.data_dir).values(), key=lambda entry: entry["opened_at"])


def test_ipv6(tmp_path, simulator):
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    with serving(tmp_path, simulator) as server, grpc.insecure_channel(f"[::1]:{server.grpc_port}") as channel:
        told = "".join(response_of(data) for data in raw_ask(channel)(asked("say: six"), timeout=WAIT))
        assert told.startswith("six<|end|>$")


@pytest.mark.slow
@pytest.mark.parametrize("secure", [False, True])
def test_a_client_in_another_language(tmp_path, simulator, secure):
    authority = Authority()
    files = Files(tmp_path, authority)
    program, environment = node(Path(__file__).parent / "node")
    if secure:
        environment["TALKMETER_TEST_CA"] = str(files.ca)
    with serving(tmp_path, simulator, *(files.options if secure else [])) as server:
        script = Path(__file__).parent / "node/client.mjs"
        command = [program, str(script), f"localhost:{server.grpc_port}", str(ROOT / "proto")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT, check=False)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        first, second = [text.split("<|end|>$") for text in told["printed"]]
        assert (first[0], second[0]) == ("하나 둘", "and then")
        assert first[1].split("$")[0] == second[1].split("$")[0] == told["trailers"]["x-conversation-id"]
        assert told["kinds"][0], told["kinds"][-1] == ("begun", "ended")
        assert told["again"] == "three"
        assert told["usage"]["provenance"] == "reported"
        assert told["history"] == [["ROLE_USER", "say: three"], ["ROLE_ASSISTANT", "three"]]
        assert (told["rooms"], told["refused"]) == (2, grpc.StatusCode.NOT_FOUND.value[0])


def test_tls_and_new_files(tmp_path, simulator):
    authority = Authority()
    files = Files(tmp_path, authority)
    with serving(tmp_path, simulator, *files.options) as server:
        url = f"https://localhost:{server.grpc_port}"
        check_answers(url, "--cacert", str(files.ca))
        done = buf_curl(url.replace("https", "http"), "grpc.health.v1.Health/Check", {})
        assert done.returncode != 0, "not in plain"
        newer = Authority("newer")
        files.authority = newer
        files.renew("localhost", "127.0.0.1")
        files.ca.write_bytes(newer.pem)
        until = time.monotonic() + WAIT
        while buf_curl(url, "grpc.health.v1.Health/Check", {}, "--cacert", str(files.ca)).returncode != 0:
            assert time.monotonic() < until
            time.sleep(0.1)


def test_mutual_tls(tmp_path, simulator):
    authority = Authority()
    files = Files(tmp_path, authority)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "stranger").mkdir()
    theirs = Files(tmp_path / "theirs", authority, "somebody")
    stranger = Files(tmp_path / "stranger", Authority("strangers"), "somebody")
    with serving(tmp_path, simulator, *files.options, "--tls-client-ca", str(files.ca)) as server:
        url, trusting = f"https://localhost:{server.grpc_port}", ("--cacert", str(files.ca))
        check_answers(url, *trusting, "--cert", str(theirs.cert), "--key", str(theirs.key))
        for own in ((), ("--cert", str(stranger.cert), "--key", str(stranger.key))):
            done = buf_curl(url, "grpc.health.v1.Health/Check", {}, *trusting, *own)
            assert done.returncode != 0


def test_a_port_that_is_taken(tmp_path, simulator):
    """Named: it does not start. The default one: it says so, and goes on without."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(NotStarted) as refused:
            start_server(tmp_path / "named", simulator.url, flags=("--grpc-port", str(port)))
        assert refused.value.status == 2
        assert "--grpc-port" in refused.value.text
    with _held(9000), _default(tmp_path, simulator) as server:
        assert "off: port 9000 is taken" in server.process.stdout.readline()
        assert server.terminate() == 0


@contextmanager
def _held(port):
    """Taken by us, unless it is by somebody else already."""
    with socket.socket() as holder:
        try:
            holder.bind(("127.0.0.1", port))
            holder.listen()
        except OSError:
            pass
        yield


@contextmanager
def _default(folder, simulator):
    server = start_server(folder / "default", simulator.url, TALKMETER_GRPC_PORT="")
    try:
        yield server
    finally:
        server.stop()


def test_with_workers_the_main_process_answers(tmp_path, simulator):
    with serving(tmp_path, simulator, "--workers", "2") as server:
        check_answers(f"http://localhost:{server.grpc_port}")


async def test_the_end_is_announced_and_what_is_under_way_gets_its_time(tmp_path, simulator):
    """Health says NOT_SERVING while the answer is still being written; new calls are refused; the answer is whole."""
    await simulator.script({"gate": True})
    flags = ("--shutdown-seconds", "30")
    server = start_server(
        tmp_path / "data",
        simulator.url,
        flags=("--grpc-port", str(port := free_port()), *flags),
        TALKMETER_DEFAULT_MODEL="sim-fast",
    )
    try:
        assert "gRPC" in server.process.stdout.readline()
        async with grpc.aio.insecure_channel(f"localhost:{port}") as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=""))
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            ask = channel.unary_stream("/chat.Chat/Ask")
            call = ask(asked("say: one two three"))
            await call.initial_metadata()
            await simulator.step(2)
            told = response_of(await call.read())
            server.process.terminate()
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            async with grpc.aio.insecure_channel(f"localhost:{port}") as late:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await late.unary_stream("/chat.Chat/Ask")(asked("say: no")).read()
                assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            await simulator.step(1000)
            while (data := await call.read()) is not grpc.aio.EOF:
                told += response_of(data)
        assert told.startswith("one two three<|end|>$")
        assert server.wait() == 0
        (entry,) = books.entries(server.data_dir).values()
        assert entry["outcome"] == "finished"
    finally:
        server.stop()


async def test_who_is_cut_short_by_the_end_is_told_so(tmp_path, simulator):
    """The time of the runs is over first: their clients hear how they ended before the calls are broken off."""
    await simulator.script({"gate": True})
    server = start_server(
        tmp_path / "data",
        simulator.url,
        flags=("--grpc-port", str(port := free_port()), "--shutdown-seconds", "0.5"),
        TALKMETER_DEFAULT_MODEL="sim-fast",
    )
    try:
        assert "gRPC" in server.process.stdout.readline()
        async with grpc.aio.insecure_channel(f"localhost:{port}") as channel:
            call = channel.unary_stream("/chat.Chat/Ask")(asked("say: one two three"))
            await call.initial_metadata()
            await simulator.step(2)
            await call.read()
            run_id = dict(await call.initial_metadata())["x-run-id"]
            follow = channel.unary_stream(
                "/talkmeter.v1.Conversations/Follow",
                request_serializer=conversations_pb2.FollowRequest.SerializeToString,
                response_deserializer=conversations_pb2.FollowResponse.FromString,
            )
            following = follow(conversations_pb2.FollowRequest(run_id=run_id))
            await following.initial_metadata()
            server.process.terminate()
            error = await refusal(call)
            assert (error.code(), details_of(error)["ErrorInfo"].reason) == (grpc.StatusCode.UNAVAILABLE, "interrupted")
            events = [told.event async for told in following]
            assert events[-1].ended.status == conversations_pb2.RUN_STATUS_INTERRUPTED
        assert server.wait() == 0
        (entry,) = books.entries(server.data_dir).values()
        assert entry["outcome"] == "interrupted"
    finally:
        server.stop()


async def test_after_a_restart_whoever_follows_again_gets_the_rest(tmp_path, simulator):
    """Killed in the middle: what was being written is marked interrupted with what had come, what waited is answered."""
    await simulator.script({"gate": True})
    with_port = {"flags": ("--grpc-port", str(port := free_port())), "TALKMETER_DEFAULT_MODEL": "sim-fast"}
    server = start_server(tmp_path / "data", simulator.url, **with_port)
    try:
        assert "gRPC" in server.process.stdout.readline()
        async with grpc.aio.insecure_channel(f"localhost:{port}") as channel:
            client = Client(channel)
            first = client.call("talkmeter.v1.Conversations/Ask", prompt="say: one two three", conversation_id="c")
            runs = [(await first.read()).event.begun.run_id]
            waiting = client.call("talkmeter.v1.Conversations/Ask", prompt="say: later", conversation_id="c")
            runs.append((await waiting.read()).event.begun.run_id)
            await simulator.step(3)
            while not (reply := await first.read()).event.HasField("delta"):
                pass
            server.kill()
            errors = [await refusal(call) for call in (first, waiting)]
            assert {error.code() for error in errors} == {grpc.StatusCode.UNAVAILABLE}
        await simulator.step(1000, wait=0.1)  # what may still be held back
        server = start_server(tmp_path / "data", simulator.url, **with_port)
        assert "gRPC" in server.process.stdout.readline()
        async with grpc.aio.insecure_channel(f"localhost:{port}") as channel:
            client = Client(channel)
            rest = [await client.events("Follow", run_id=run_id) for run_id in runs]
        assert [events[-1].ended.status for events in rest] == [
            conversations_pb2.RUN_STATUS_INTERRUPTED,
            conversations_pb2.RUN_STATUS_FINISHED,
        ]
        assert "".join(event.delta.text for event in rest[1]) == "later"
        assert reply.event.delta.text.startswith("one")
        assert server.terminate() == 0
        assert len(books.entries(server.data_dir)) == 2, "each was asked once"
    finally:
        server.stop()
