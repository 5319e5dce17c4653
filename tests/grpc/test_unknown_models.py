"""A model that the provider does not know: both services say which there are, in both languages."""

import grpc
import pytest

from support.grpc_house import details_of, refusal
from talkmeter.surfaces.grpc.messages import conversations_pb2 as pb


@pytest.mark.parametrize(
    ("method", "named"),
    [
        ("chat.Chat/Ask", {"model": "sim-quick"}),
        ("talkmeter.v1.Conversations/Ask", {"options": pb.Options(model="sim-quick")}),
    ],
)
async def test_the_status_says_which_there_are(house, client, method, named):
    error = await refusal(client.call(method, prompt="hi", **named))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert "There are: sim-" in error.details()
    assert "sim-fast" in error.details()
    found = details_of(error)
    assert found["ErrorInfo"].reason == "model_not_found"
    assert "쓸 수 있는 모델: sim-" in found["LocalizedMessage"].message
    await house.check_books(unknown=True)


async def test_so_does_the_event_that_ends_it(house, client):
    call = client.call("talkmeter.v1.Conversations/Ask", prompt="hi", options=pb.Options(model="sim-quick"))
    run_id = (await call.read()).event.begun.run_id
    await refusal(call)
    (*_, last) = await client.events("Follow", run_id=run_id)
    assert last.ended.problem.code == "model_not_found"
    assert "There are: sim-" in last.ended.problem.message
    assert "쓸 수 있는 모델: sim-" in last.ended.problem.message_ko
