"""Log lines: one JSON object each, with the request's id, without secrets and without what people write."""

import io
import json
import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from talkmeter import logs
from talkmeter.config import resolve
from talkmeter.logs import redacting

CANARY = "sk-proj-canary-0123456789"


@pytest.fixture
def logging_to():
    """logging_to(format, level) sets logging up on a text stream; afterwards all is as it was."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    known = set(redacting._known)
    stream = io.StringIO()

    def set_up(form="json", level="info"):
        logs.set_up(resolve({"log_format": form, "log_level": level}, {}), stream)
        return stream

    yield set_up
    root.handlers[:], root.level = before
    redacting._known.clear()
    redacting._known.update(known)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_both_ways_of_logging_make_the_same_lines(logging_to):
    stream = logging_to()
    structlog.contextvars.bind_contextvars(request_id="req_1")
    structlog.get_logger("talkmeter.a").info("one", count=3)
    logging.getLogger("talkmeter.b").info("two of %s", "four", extra={"count": 4})
    first, second = lines(stream)
    assert (first["event"], first["count"], first["logger"], first["request_id"]) == ("one", 3, "talkmeter.a", "req_1")
    assert (second["event"], second["count"], second["level"]) == ("two of four", 4, "info")
    assert second["request_id"] == "req_1"
    assert second["at"].endswith("Z")


def test_the_level_counts(logging_to):
    stream = logging_to(level="warning")
    structlog.get_logger("talkmeter.a").info("quiet")
    logging.getLogger("talkmeter.b").info("quiet")
    logging.getLogger("talkmeter.b").warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


@pytest.mark.parametrize(
    "text",
    [
        f"the key {CANARY}.",
        "Authorization: Bearer canary.canary-canary",
        "bearer%20canarycanary",
        "Basic Y2FuYXJ5OmNhbmFyeQ==canary",
        "Cookie: talkmeter_session=canary; other=canary",
        "{'Set-Cookie': 'talkmeter_session=canary; HttpOnly'}",
        "GET /sign-in?token=canary&x=1",
        "postgresql://user:canary@host/db",
        'password="canary"',
        "api_key=canary",
        "api-key: canary",
        "xoxb-canary-0123456789",
        "gsk_canary0123456789",
        "AIza-canary0123456789",
    ],
)
def test_what_looks_like_a_secret_is_cut_out(text):
    assert "canary" not in logs.redact(text)
    assert logs.HIDDEN in logs.redact(text)


def test_a_known_secret_is_cut_out_whatever_it_looks_like(logging_to):
    stream = logging_to()
    logs.hide("justletters")
    logs.hide("short")
    logs.hide(None)
    logging.getLogger("t").warning("it is justletters and short", extra={"more": {"deep": ["justletters"]}})
    said = stream.getvalue()
    assert "justletters" not in said
    assert "short" in said, "cutting out very short texts would garble the log"


def test_fields_that_hold_secrets_or_contents_are_not_logged(logging_to):
    stream = logging_to()
    structlog.get_logger("t").info(
        "x",
        authorization="canary",
        headers={"Cookie": "canary", "Accept": "fine"},
        key="canary",
        text="canary",
        messages=["canary", "canary"],
        prompt_tokens=7,
        token=None,
    )
    (line,) = lines(stream)
    assert "canary" not in json.dumps(line)
    assert line["messages"] == "(2 long, not logged)"
    assert line["headers"]["Accept"] == "fine"
    assert line["prompt_tokens"] == 7


def test_an_exception_is_one_line_without_its_secrets(logging_to):
    stream = logging_to()
    try:
        raise ValueError(f"bad {CANARY}")
    except ValueError:
        structlog.get_logger("t").exception("failed")
        logging.getLogger("t").exception("failed")
    assert CANARY not in stream.getvalue()
    assert all("ValueError: bad sk-***" in line["exception"] for line in lines(stream))


def test_text_for_a_terminal_cannot_be_forged(logging_to):
    stream = logging_to("text")
    logging.getLogger("t").warning("real\n12:00:00 error forged", extra={"path": "/x\r\n12:00:00 error forged"})
    assert stream.getvalue().count("\n") == 1
    assert " warning " in stream.getvalue()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_by_default_a_pipe_gets_json_and_a_terminal_text_with_warnings_only(logging_to):
    pipe = logging_to("auto", "auto")
    logging.getLogger("t").info("told")
    assert lines(pipe)[0]["event"] == "told"
    terminal = Terminal()
    logs.set_up(resolve({}, {}), terminal)
    logging.getLogger("t").info("not told")
    logging.getLogger("t").warning("told")
    assert terminal.getvalue().endswith("warning told\n")
    assert "not told" not in terminal.getvalue()


@given(st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text):
    once = logs.redact(text)
    assert logs.redact(once) == once
