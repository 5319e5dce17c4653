"""One line for each call, from what is durable: told off the loop, whole, once, and without anybody's key."""

import logging
import threading

import msgspec
import pytest

from support.store_values import PRICED, UNPRICED, a_settlement, an_opening
from talkmeter import logs
from talkmeter.app import call_log
from talkmeter.app.call_log import CallLog, at_text, call_line, write_call_lines
from talkmeter.config import resolve
from talkmeter.errors import Conflict
from talkmeter.metering.ledger import CorrectEntry
from talkmeter.metering.usage import Usage
from talkmeter.store import open_store


def plain(line):
    return msgspec.to_builtins(line)


def test_a_line_says_who_asked_whom_for_what_at_what_cost_and_how_it_ended():
    opening = an_opening(surface="grpc", key_id="key_1", run_id="run_1", opened_at=1_795_762_344_000_000)
    change = a_settlement(opening, cost=PRICED, settled_at=1_795_762_345_250_007, first_byte_at=1_795_762_344_100_000)
    line = plain(call_line(opening, change))
    assert line["at"] == "2026-11-27T06:52:25.250007Z"
    assert (line["event"], line["call_id"], line["surface"], line["key_id"]) == ("call", opening.id, "grpc", "key_1")
    assert (line["run_id"], line["principal"], line["model"]) == ("run_1", opening.principal, opening.model_requested)
    assert (line["milliseconds"], line["first_byte_milliseconds"]) == (1250, 100)
    assert line["cost"] == "0.000000001234"
    assert line["outcome"] == change.outcome


def test_what_nobody_knows_is_missing_and_zero_is_zero():
    opening = an_opening(key_id=None)
    usage = Usage(prompt_tokens=0)
    line = plain(call_line(opening, a_settlement(opening, usage=usage, cost=UNPRICED, first_byte_at=None)))
    assert line["prompt_tokens"] == 0
    assert not {"completion_tokens", "cost", "key_id", "first_byte_milliseconds"} & set(line)
    assert "prompt_tokens" not in plain(call_line(opening, a_settlement(opening, usage=None)))


def test_a_correction_is_a_line_of_its_own():
    change = CorrectEntry(id="call_1", provenance="reconciled", usage=Usage(prompt_tokens=3), cost=PRICED)
    line = plain(call_line(None, change))
    assert (line["event"], line["call_id"], line["prompt_tokens"]) == ("call_corrected", "call_1", 3)
    assert "outcome" not in line


def test_a_key_that_somebody_sent_for_a_model_is_cut_out():
    opening = an_opening(model_requested="sk-proj-canary-0123456789", provider_name="sk-proj-canary-0123456789")
    change = a_settlement(opening, model_served="Bearer canarycanary", finish_reason="tm_canary0123456789")
    assert "canary" not in str(plain(call_line(opening, change)))


def test_moments_are_exact():
    assert at_text(0) == "1970-01-01T00:00:00.000000Z"
    assert at_text(1_795_762_344_999_999) == "2026-11-27T06:52:24.999999Z"


@pytest.fixture
def heard():
    """Changes as they are told, and the threads that told them."""
    return [], set()


@pytest.fixture
async def store(tmp_path):
    made = await open_store(tmp_path / "talkmeter.db")
    yield made
    await made.close()


@pytest.fixture
def listening(heard):
    told, threads = heard

    def tell(many):
        told.extend(many)
        threads.add(threading.current_thread().name)

    return tell


async def test_what_is_durable_is_told_with_its_opening_on_a_thread_of_its_own(store, listening, heard):
    log = CallLog([listening])
    store.watch(log.note)
    openings = [an_opening() for _ in range(200)]
    for opening in openings:
        await store.commit(opening)
    assert heard[0] == [], "an opening is not told"
    settlements = [a_settlement(opening) for opening in openings]
    for change in settlements:
        await store.commit(change)
    with pytest.raises(Conflict):
        await store.commit(settlements[0])  # settled already
    await store.close()  # as at the end of a server: then all has been noted
    log.close()
    assert heard[0] == list(zip(openings, settlements, strict=True)), "each once, in order"
    assert heard[1] == {"call-log"}


async def test_what_an_earlier_process_opened_is_told_with_what_is_remembered(store, listening, heard):
    opening = an_opening()
    await store.commit(opening)
    log = CallLog([listening])
    store.watch(log.note)
    log.remember([opening])
    await store.commit(a_settlement(opening))
    await store.close()
    log.close()
    assert heard[0][0][0] == opening


async def test_one_that_fails_keeps_no_other_from_hearing(store, listening, heard, caplog):
    def failing(_):
        raise RuntimeError

    log = CallLog([failing, listening])
    store.watch(log.note)
    opening = an_opening()
    await store.commit(opening)
    await store.commit(a_settlement(opening))
    await store.close()
    log.close()
    assert len(heard[0]) == 1
    assert "calls_not_told" in caplog.text


def test_openings_that_are_never_settled_are_forgotten_in_the_end(listening, heard, monkeypatch):
    monkeypatch.setattr(call_log, "MOST_OPEN", 2)
    log = CallLog([listening])
    openings = [an_opening() for _ in range(3)]
    log.note([(opening,) for opening in openings])
    log.note([(a_settlement(opening),) for opening in openings])
    log.close()
    assert [opening for opening, _ in heard[0]] == [None, *openings[1:]]


def test_lines_go_to_every_target_that_takes_infos(tmp_path):
    root = logging.getLogger()
    before = root.handlers[:], root.level
    path = tmp_path / "a.log"
    opening = an_opening()
    told = [(opening, a_settlement(opening))]
    try:
        for level, count in (("info", 1), ("warning", 0)):
            logs.set_up(resolve({"log_to": "file", "log_file": str(path), "log_level": level}, {}))
            assert logs.wanted(logging.INFO) is bool(count)
            path.write_text("")
            write_call_lines(told)
            assert path.read_text().count(opening.id) == count
    finally:
        root.handlers[:], root.level = before
