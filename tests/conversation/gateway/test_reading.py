"""What the gateway reads of a request, which headers go on, and from whose answers a request may go on."""

import json

import pytest

from talkmeter.accounts.principals import LOCAL_PRINCIPAL, Principal
from talkmeter.conversation.gateway.allowed import GatewayOptions
from talkmeter.conversation.gateway.endpoints import find_endpoint
from talkmeter.conversation.gateway.fields import Fields, asked_of, read_json
from talkmeter.conversation.gateway.headers import upstream_headers
from talkmeter.conversation.gateway.requests import Requests
from talkmeter.errors import BadInput, Forbidden, NotFound
from talkmeter.metering.admission import Whose
from talkmeter.metering.asked import Asked
from talkmeter.metering.ledger import LedgerEntry, OpenEntry

DEEP = 100_000


def entry(principal, endpoint="responses"):
    return LedgerEntry(
        opening=OpenEntry(
            id="call_1",
            surface="openai",
            principal=principal,
            endpoint=endpoint,
            provider_id="prov_1",
            provider_name="One",
            model_requested="m",
            opened_at=0,
        )
    )


def requests(share=False, **answers):
    async def entry_of_answer(id_):
        return answers.get(id_)

    options = GatewayOptions(members_share=share)
    return Requests(
        options=options, whose=lambda principal, _: Whose(user_id=principal.user_id), entry_of_answer=entry_of_answer
    )


ALICE, BOB = Principal(user_id="alice", role="member"), Principal(user_id="bob", role="member")
OWNER = Principal(user_id="owner", role="owner")
STORED, BATCH = find_endpoint("GET", "responses/resp_1"), find_endpoint("GET", "batches/batch_1")
ASKED = Asked(endpoint="chat/completions", model="m")


async def test_nobody_sees_or_goes_on_from_another_s_answer():
    known = requests(resp_1=entry("alice"))
    assert (await known.earlier("responses/resp_1", STORED, ALICE)).opening.principal == "alice"
    assert await known.continued(Fields(previous_response_id="resp_1"), ALICE) == "prov_1"
    for other in (BOB, OWNER, LOCAL_PRINCIPAL):
        with pytest.raises(NotFound):
            await known.earlier("responses/resp_1", STORED, other)
        with pytest.raises(NotFound) as refused:
            await known.continued(Fields(previous_response_id="resp_1"), other)
        assert refused.value.code == "previous_response_not_found"


async def test_a_batch_lies_with_the_provider_as_files_do():
    known = requests(batch_1=entry("alice", "batches"))
    for principal in (ALICE, OWNER):
        assert await known.earlier("batches/batch_1", BATCH, principal) is not None
    with pytest.raises(NotFound):
        await known.earlier("batches/batch_1", BATCH, BOB)


async def test_what_nobody_made_here_is_shared_or_the_owner_s():
    for principal, known in ((OWNER, requests()), (ALICE, requests(share=True))):
        assert await known.earlier("responses/resp_9", STORED, principal) is None
        assert await known.continued(Fields(previous_response_id="resp_9"), principal) is None
    with pytest.raises(Forbidden):
        await requests().earlier("responses/resp_9", STORED, ALICE)
    with pytest.raises(NotFound):
        await requests().continued(Fields(previous_response_id="resp_9"), ALICE)
    with pytest.raises(Forbidden):
        await requests().continued(Fields(conversation="conv_1"), ALICE)
    assert await requests().continued(Fields(conversation="conv_1"), OWNER) is None


@pytest.mark.parametrize("second", ['"model":"b"', '"\\u006dodel":"b"', '"x":' + "9" * 5000 + ',"model":"b"'])
def test_two_models_are_refused_however_they_are_written(second):
    with pytest.raises(BadInput):
        read_json(b'{"model":"a",' + second.encode() + b"}")


def test_a_model_inside_something_else_is_none():
    assert read_json(b'{"model":"a","x":{"model":"b"}}').model == "a"


@pytest.mark.parametrize(("spoken", "characters"), [("안녕", 2), (5, None)])
def test_characters_are_counted_where_there_is_a_text(spoken, characters):
    body = json.dumps({"model": "tts", "input": spoken}).encode()
    endpoint = find_endpoint("POST", "audio/speech")
    assert asked_of(endpoint, read_json(body), body, len(body)).characters == characters


@pytest.mark.parametrize(("limit", "wanted"), [("12", 12), ("-1", None), ("9" * 10, None), (0, None), (7, 7)])
def test_a_limit_may_be_a_text_of_a_form(limit, wanted):
    asked = asked_of(find_endpoint("POST", "responses"), Fields(model="m", max_output_tokens=limit), b"", 0)
    assert asked.max_output_tokens == wanted


def test_headers_that_name_a_hop_or_a_place_do_not_go_on():
    given = [
        (b"connection", b"x-hop, close"),
        (b"x-hop", b"1"),
        (b"openai-beta", b"a"),
        (b"sec-websocket-key", b"k"),
        (b"authorization", b"Bearer tm_1"),
        (b"accept-encoding", b"gzip;q=0, br"),
    ]
    assert upstream_headers(given) == ((b"openai-beta", b"a"), (b"accept-encoding", b"identity"))


async def test_whose_a_request_is_is_worked_out_once_for_a_principal_its_surface_and_tags(monkeypatch):
    monkeypatch.setattr("talkmeter.conversation.gateway.requests.MOST_KNOWN", 3)
    asked: list[tuple[str, tuple[str, ...]]] = []

    def whose(principal, tags):
        asked.append((principal.user_id, tags))
        return Whose(user_id=principal.user_id, tags=tags)

    async def nobody(_id):
        return None

    known = Requests(options=GatewayOptions(), whose=whose, entry_of_answer=nobody)

    def ask(principal, tags=(), surface="openai", **fields):
        found = known.ask(
            surface=surface, principal=principal, asked=ASKED, fields=Fields(**fields), tags=tags,
            method="POST", path="chat/completions", headers=(), body=b"",
        )  # fmt: skip
        return found.context, found.whose

    first = ask(ALICE)
    assert ask(ALICE) == first
    assert asked == [("alice", ())]
    context, _ = ask(ALICE, user="u", metadata={"a": 1})
    assert (context.end_user, context.metadata) == ("u", '{"a":1}')
    assert ask(ALICE)[0].end_user is None, "an end user is of one request only"
    assert ask(ALICE, surface="websocket")[0].surface == "websocket"
    context, by = ask(ALICE, ("a",))
    assert (context.tags, by.tags) == ('["a"]', ("a",))
    assert len(asked) == 3
    other = Principal(user_id="alice", role="member")  # as after a change of the user: it is made anew
    ask(other)
    assert len(asked) == 4
    assert [ask(principal)[0].principal for principal in (BOB, ALICE, BOB)] == ["bob", "alice", "bob"]
    for tag in "bcde":
        assert ask(ALICE, (tag,))[1].tags == (tag,), "also when others had to be forgotten"
    assert ask(ALICE) == first
