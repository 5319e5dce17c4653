"""The ledger against the provider's own books, as people run it: every way a call can end, on both databases.

Afterwards the two are equal, to the token and to the picodollar, but for what came from outside; and that is named.
"""

import json
import urllib.request

import pytest

from support.postgres import Postgres
from support.reconcile_desk import KEY, Desk, chat
from support.running import Server
from support.simulator_requests import smallest, wav

KINDS = {
    "chat": "sim-fast",
    "response": "sim-reasoning",
    "completion": "sim-instruct",
    "embedding": "sim-embedding",
    "moderation": "sim-moderation",
    "image": "sim-image",
    "speech": "sim-speech",
    "transcription": "sim-whisper",
}


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request):
    if request.param == "sqlite":
        yield None
        return
    server = Postgres()
    server.start()
    url = server.create()
    yield url
    server.drop(url)
    server.stop()


def differing(report):
    """model → (difference, names of its reasons)."""
    return {
        line["model"]: (line["difference"], {name for reason in line["reasons"] for name in reason["names"]})
        for line in report["usage"]
        if line["difference"]
    }


@pytest.fixture
def desk(tmp_path, database):
    made = Desk(tmp_path, database)
    yield made
    made.close()


def use_every_endpoint(desk):
    for kind, model in KINDS.items():
        path, body = smallest(kind, model)
        if kind == "transcription":
            body["file"] = ("a.wav", wav(2.2))
        assert desk.call(path, body)[0] == 200, kind
    assert desk.call("images/generations", {"model": "sim-image-classic", "prompt": "a lighthouse", "n": 2})[0] == 200
    spoken = {"model": "sim-speech-tokens", "input": "hello", "voice": "alloy", "stream_format": "sse"}
    assert desk.call("audio/speech", spoken)[0] == 200
    heard = {"model": "sim-transcribe", "file": ("a.wav", wav(2.2))}
    for more in ({}, {"stream": "true"}):
        assert desk.call("audio/transcriptions", {**heard, **more})[0] == 200
    for more in ({"stream": True}, {"service_tier": "flex"}, {"stream": True, "service_tier": "priority"}):
        assert desk.chat("sim-fast", **more)[0] == 200
    cached = {"prompt_tokens": 3000, "completion_tokens": 20, "total_tokens": 3020}
    cached["prompt_tokens_details"] = {"cached_tokens": 1024, "cache_write_tokens": 512}
    assert desk.chat("sim-fast", simulate={"usage": cached})[0] == 200
    assert desk.chat("sim-fault-429")[0] == 429
    assert desk.chat("sim-fault-zero-usage", stream=True)[0] == 200
    batch(desk)


def batch(desk):
    lines = [
        {"custom_id": f"{n}", "method": "POST", "url": "/v1/chat/completions", "body": chat("sim-fast")} for n in "ab"
    ]
    file = ("in.jsonl", b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    status, made = desk.call("files", {"purpose": "batch", "file": file})
    assert status == 200, made
    asked = {"input_file_id": json.loads(made)["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    status, begun = desk.call("batches", asked)
    assert status == 200, begun
    url = f"{desk.server.origin}/v1/batches/{json.loads(begun)['id']}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert json.loads(answer.read())["status"] == "completed"


def test_a_whole_corpus_is_equal_to_the_last_picodollar(desk):
    use_every_endpoint(desk)
    status, report = desk.reconcile()
    assert (status, report["explained"]) == (0, True)
    assert differing(report) == {}
    assert {line["tier"] for line in report["usage"]} == {None, "standard", "flex", "priority", "batch"}
    assert {line["kind"] for line in report["usage"]} == {
        *("completions", "embeddings", "moderations", "images", "audio_speeches", "audio_transcriptions"),
    }
    assert [line for line in report["money"] if line["difference_picodollars"] != "0"] == []
    assert sum(int(line["provider_picodollars"]) for line in report["money"]) > 0


def end_in_every_way(desk):
    """One model for each, so that each is alone in its part of the books."""
    desk.chat("sim-fault-no-usage@901", stream=True)
    desk.chat("sim-fault-cut-400@902", stream=True)
    desk.chat("sim-fault-negative-usage@903")
    for _ in "ab":
        desk.chat("sim-fault-no-usage@904", stream=True)
    desk.leave("sim-fault-hang-headers@905").close()
    drained = desk.leave("sim-fast@906", gate=True)
    drained.close()
    desk.simulator.step(1000)
    killed = desk.leave("sim-fast@907", gate=True)
    waiting = desk.leave("sim-fault-hang-headers@908")
    desk.server.kill()
    killed.close()
    waiting.close()
    desk.simulator.bill()
    desk.server = Server(desk.data_dir, environment=desk.environment)


def test_what_is_not_sure_is_settled_by_the_books(desk):
    use_every_endpoint(desk)
    end_in_every_way(desk)
    desk.wait_until_settled()
    status, before = desk.reconcile()
    assert (status, before["explained"]) == (0, True)
    named = {model: names for model, (_, names) in differing(before).items()}
    # What a process had counted of its calls when it died depends on the moment; all else was right as it was.
    assert set(named) <= {"sim-fault-hang-headers@905", "sim-fast@907", "sim-fault-hang-headers@908"}
    assert set().union(*named.values()) <= {"unknown", "estimated", "counted"}
    was = {one["model"]: one["was"].split()[0] for one in before["settled"]}
    assert (
        was.items()
        >= {
            "sim-fault-no-usage@901": "counted",
            "sim-fault-cut-400@902": "counted",
            "sim-fault-negative-usage@903": "counted",
            "sim-fault-no-usage@904": "counted",
        }.items()
    )
    assert set(was) >= {"sim-fault-hang-headers@905", "sim-fast@907", "sim-fault-hang-headers@908"}
    assert len([one for one in before["settled"] if one["model"] == "sim-fault-no-usage@904"]) == 2
    absent = next(one for one in before["settled"] if one["model"] == "sim-fault-hang-headers@908")
    assert (absent["usage"]["prompt_tokens"], absent["usage"]["completion_tokens"], absent["picodollars"]) == (
        0,
        0,
        "0",
    )
    assert desk.reconcile()[1] == before, "looking changes nothing"
    status, after = desk.reconcile("--settle")
    assert (status, differing(after)) == (0, {})
    assert {one["committed"] for one in after["settled"]} == {True}
    assert after["not_settled"] == {}
    assert [line for line in after["money"] if line["difference_picodollars"] != "0"] == []
    status, again = desk.reconcile("--settle")
    assert (status, again["settled"], differing(again)) == (0, [], {})
    assert [line["ledger"] for line in again["usage"]] == [line["ledger"] for line in after["usage"]]


def test_calls_from_outside_are_named_and_settle_nothing(desk):
    desk.chat("sim-fast@901")
    desk.chat("sim-fast@901", outside=True)
    desk.chat("sim-fault-no-usage@902", stream=True)
    desk.chat("sim-fault-no-usage@902", stream=True, outside=True)
    desk.wait_until_settled()
    status, report = desk.reconcile("--settle")
    assert (status, report["settled"], report["not_settled"]) == (0, [], {"outside": 1})
    alone, beside = (differing(report)[model] for model in ("sim-fast@901", "sim-fault-no-usage@902"))
    assert (alone[0]["requests"], alone[1]) == (1, {"outside"})
    assert (beside[0]["requests"], beside[1]) == (1, {"counted", "outside"})
    key = f"key_{KEY[-4:]}"
    status, ours = desk.reconcile("--settle", "--api-key", key)
    assert (status, [one["was"].split()[0] for one in ours["settled"]]) == (0, ["counted"])
    assert {names for _, found in differing(ours).values() for names in found} == {"outside"}
