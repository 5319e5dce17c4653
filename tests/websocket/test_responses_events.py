"""What a client's events become upstream, and what the provider's events become on the socket: byte for byte."""

import json

import pytest

from talkmeter.errors import BadInput
from talkmeter.surfaces.websocket.client_events import Cancel, Create, Steer, read_event
from talkmeter.surfaces.websocket.continuing import Memory
from talkmeter.surfaces.websocket.server_events import Events, error_event, prepared


def create(**members):
    made = read_event(json.dumps({"type": "response.create", **members}))
    assert isinstance(made, Create)
    return made


def sent(create):
    return json.loads(create.body)


def test_a_create_is_the_body_of_a_streamed_request():
    text = '{"type":"response.create","stream_id":"a.1","generate":true,"model":"m","x":{"b": 1.0,"a":[ ]},"input":"\\u00e9"}'
    event = read_event(text)
    assert event.body == b'{"model":"m","x":{"b": 1.0,"a":[ ]},"input":"\\u00e9","stream":true}'
    assert (event.stream_id, event.store, event.generate) == ("a.1", True, True)


def test_what_a_client_says_of_streaming_does_not_matter():
    assert sent(create(model="m", stream=False, background=False)) == {"model": "m", "stream": True}


@pytest.mark.parametrize(
    ("text", "code", "param"),
    [
        ("", "invalid_json", None),
        ("hello", "invalid_json", None),
        ("[]", "invalid_json", None),
        ('{"type":"response.create",}', "invalid_json", None),
        ("[" * 100_000, "invalid_json", None),
        ('{"type":"response.create","input":"\ud800"}', "invalid_json", None),
        ("{}", "unknown_event", "type"),
        ('{"type":"session.update"}', "unknown_event", "type"),
        ('{"type":["response.create"]}', "unknown_event", "type"),
        ('{"type":"response.create","stream_id":""}', "invalid_type", "stream_id"),
        ('{"type":"response.create","stream_id":"a b"}', "invalid_type", "stream_id"),
        ('{"type":"response.create","stream_id":7}', "invalid_type", "stream_id"),
        ('{"type":"response.create","background":true}', "invalid_type", "background"),
        ('{"type":"response.create","previous_response_id":{}}', "invalid_type", "previous_response_id"),
        ('{"type":"response.cancel","response_id":1}', "invalid_type", "response_id"),
    ],
)
def test_what_is_no_event_is_refused(text, code, param):
    with pytest.raises(BadInput) as refused:
        read_event(text)
    assert (refused.value.code, refused.value.param) == (code, param)


def test_other_events():
    assert read_event('{"type":"response.cancel"}') == Cancel()
    assert read_event('{"type":"response.cancel","response_id":"resp_1"}') == Cancel(response_id="resp_1")
    steer = read_event('{"type":"response.steer","previous_response_id":"resp_1","input":"no"}')
    assert isinstance(steer, Steer)
    answer = json.loads(Events().steering_failed(steer))
    assert answer["steer"] == {"previous_response_id": "resp_1", "input": "no"}
    assert answer["error"]["code"] == "steering_not_supported"


def test_events_of_the_provider_keep_their_bytes():
    event = b'{"type": "response.output_text.delta","sequence_number":4,"delta":"a\\u00e9\xc3\xa9", "x": 1.0}'
    assert Events().forward(event).encode() == event
    assert Events("lane").forward(event).encode() == b'{"stream_id":"lane",' + event[1:]


def test_numbers_are_counted_on_where_they_are_missing():
    events = Events()
    first = events.forward(b'{"type":"response.created","sequence_number":7,"response":{"id":"resp_1"}}')
    second = events.forward(b' { "type":"response.output_text.delta"}')
    assert json.loads(first)["sequence_number"] == 7
    assert json.loads(second) == {"type": "response.output_text.delta", "sequence_number": 8}
    assert json.loads(events.own("error", error={}))["sequence_number"] == 9
    assert events.response_id == "resp_1"
    assert json.loads(Events("l").forward(b"{ }")) == {"stream_id": "l", "sequence_number": 0}


@pytest.mark.parametrize("data", [b"[DONE]", b"", b"{", b"[1]", b"[" * 100_000])
def test_what_is_no_event_goes_nowhere(data):
    assert Events().forward(data) is None


@pytest.mark.parametrize("kind", ["response.completed", "response.failed", "response.incomplete", "error"])
def test_the_end_is_noticed(kind):
    events = Events()
    events.forward(b'{"type":"response.created","response":[1]}')
    assert not events.ended
    events.forward(json.dumps({"type": kind, "response": {"id": 5}}).encode())
    assert events.ended
    assert events.completed == (kind == "response.completed")
    assert events.response_id is None


def test_a_cancelled_response_is_told_with_what_is_known_of_it():
    events = Events("lane")
    events.forward(b'{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","model":"m"}}')
    told = json.loads(events.cancelled())
    assert told == {
        "type": "response.incomplete",
        "stream_id": "lane",
        "sequence_number": 1,
        "response": {
            "id": "resp_1",
            "model": "m",
            "status": "cancelled",
            "incomplete_details": {"reason": "cancelled"},
        },
    }
    assert events.ended


def test_an_error_names_its_lane_and_place():
    assert json.loads(error_event(400, {"code": "x"})) == {"type": "error", "status": 400, "error": {"code": "x"}}
    told = json.loads(error_event(502, {}, "lane", 3))
    assert (told["stream_id"], told["sequence_number"]) == ("lane", 3)


def item(text):
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def output(*items):
    return json.dumps(items).encode()


def test_the_next_request_takes_along_what_only_the_socket_knows():
    memory = Memory(10_000)
    first = create(model="m", store=False, input="one")
    assert memory.expand(first) is first
    memory.remember("resp_1", first, output({"type": "reasoning", "id": "rs_1"}, item("two")))
    second = memory.expand(create(model="m", store=False, previous_response_id="resp_1", input=[{"role": "user"}]))
    assert sent(second) == {
        "model": "m",
        "store": False,
        "stream": True,
        "input": [{"role": "user", "content": "one"}, item("two"), {"role": "user"}],
    }
    memory.remember("resp_2", second, output({"type": "reasoning", "encrypted_content": "e"}, 7))
    third = memory.expand(create(previous_response_id="resp_2", input="three"))
    assert [one if isinstance(one, int) else sorted(one) for one in sent(third)["input"]][2:] == [
        ["role"],
        ["encrypted_content", "type"],
        7,
        ["content", "role"],
    ]


def test_what_the_provider_keeps_is_still_gone_on_from_there():
    memory = Memory(10_000)
    memory.remember("resp_2", create(store=False, previous_response_id="resp_1", input="two"), output(item("three")))
    third = sent(memory.expand(create(previous_response_id="resp_2")))
    assert third["previous_response_id"] == "resp_1"
    assert third["input"] == [{"role": "user", "content": "two"}, item("three")]


def test_an_unknown_id_goes_on_and_a_forgotten_one_too():
    memory = Memory(200)
    for number in range(3):
        memory.remember(f"resp_{number}", create(input=str(number) * 60), output())
    asked = [create(previous_response_id=f"resp_{number}", input="x") for number in range(3)]
    assert [memory.expand(one) is one for one in asked] == [True, False, False]
    memory.forget("resp_2")
    memory.forget(None)
    assert memory.expand(asked[2]) is asked[2]


def test_an_input_that_is_no_list_is_the_provider_s_to_refuse():
    memory = Memory(1000)
    memory.remember("resp_1", create(input={"role": "user"}), output())
    assert sent(memory.expand(create(previous_response_id="resp_1", input=5)))["input"] == []


def test_a_response_without_generating_is_made_here():
    asked = create(model="m", previous_response_id="resp_0", input="one", generate=False, stream_id="l")
    response, frames = prepared(asked, 1_700_000_000)
    told = [json.loads(frame) for frame in frames]
    assert [one["type"] for one in told] == ["response.created", "response.completed"]
    assert [one["sequence_number"] for one in told] == [0, 1]
    assert told[1]["response"]["id"] == response["id"]
    assert told[1]["response"]["model"] == "m"
    assert {one["stream_id"] for one in told} == {"l"}
