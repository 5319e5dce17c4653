"""The OpenAPI document and Swagger UI: complete, true to what the door does, and from this server only."""

import json
import logging
import re

import msgspec
import pytest

from support.asking import Asker
from talkmeter.surfaces.ask import examples, shapes
from talkmeter.surfaces.ask.openapi import TYPES, document
from talkmeter.surfaces.ask.reading import read_ask

VERSION = "1.2.3"


@pytest.mark.parametrize("body", examples.ASKED.values(), ids=list(examples.ASKED))
def test_every_example_can_be_asked(body):
    assert read_ask(json.dumps(body).encode()).prompt == body["prompt"]


@pytest.mark.parametrize(("shape", "value"), [
    (shapes.Reply, examples.REPLY), (shapes.Conversation, examples.CONVERSATION), (shapes.Deleted, examples.DELETED),
    (shapes.Conversations, examples.CONVERSATIONS), (shapes.Stopping, examples.STOPPING),
])  # fmt: skip
def test_every_example_is_what_it_stands_for(shape, value):
    assert json.loads(msgspec.json.encode(msgspec.convert(value, shape))) == value


def test_every_reference_leads_somewhere():
    told = document(VERSION)
    text = json.dumps(told)
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert named <= set(told["components"]["schemas"])
    assert {kind.__name__ for kind in TYPES} <= set(told["components"]["schemas"])
    assert told["info"]["version"] == VERSION
    operations = [each for path in told["paths"].values() for each in path.values()]
    ids = [each["operationId"] for each in operations]
    assert len(set(ids)) == len(ids)
    assert all(each["summary"] and each["responses"] for each in operations)


def test_every_property_of_a_question_is_described_as_it_is_read():
    fields = {field.encode_name for field in msgspec.structs.fields(shapes.AskBody)}
    assert set(document(VERSION)["components"]["schemas"]["AskBody"]["properties"]) == fields


async def test_what_the_door_replies_is_what_the_document_says(gate):
    asker = Asker(gate)
    answers = {
        shapes.Reply: (await asker.ask("hi", "trip")).json(),
        shapes.Conversation: (await asker.call("GET", "/ask/trip")).json(),
        shapes.Conversations: (await asker.call("GET", "/ask")).json(),
        shapes.Stopping: (await asker.call("POST", "/ask/trip/stop")).json(),
        shapes.Deleted: (await asker.call("DELETE", "/ask/trip")).json(),
        shapes.Health: (await asker.call("GET", "/health")).json(),
    }
    for shape, value in answers.items():
        assert set(value) == {field.encode_name for field in msgspec.structs.fields(shape)}
        msgspec.convert(value, shape)


async def test_the_document_and_the_page_are_served(gate, tmp_path):
    asker = Asker(gate)
    served = await asker.call("GET", "/openapi.json")
    assert (served.status, served.json()["openapi"]) == (200, "3.1.0")
    page = await asker.call("GET", "/docs")
    if page.status == 503:  # this checkout's page is not built
        assert page.json()["error"]["code"] == "page_not_built"
        return
    html = page.body.decode()
    files = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert not [name for name in files if not name.startswith("/")]
    assert "unsafe" not in page.headers["content-security-policy"]
    for name in (name for name in files if name.startswith("/docs/")):
        plain = await asker.call("GET", name)
        zipped = await asker.call("GET", name, accept_encoding="gzip")
        assert (plain.status, zipped.status, zipped.headers.get("content-encoding")) == (200, 200, "gzip")
        assert len(zipped.body) < len(plain.body)
    head = await asker.call("HEAD", "/docs/docs.js")
    assert (head.status, head.body) == (200, b"")


async def test_a_health_probe_leaves_no_line_in_the_log(gate, caplog):
    asker = Asker(gate)
    with caplog.at_level(logging.INFO, "talkmeter.surfaces.ask"):
        assert (await asker.call("GET", "/health")).status == 200
        assert (await asker.call("GET", "/openapi.json")).status == 200
    assert [record.path for record in caplog.records if record.message == "request"] == ["/openapi.json"]
