"""What is remembered of connections, and for how long."""

from talkmeter.surfaces.grpc import channels
from talkmeter.surfaces.grpc.channels import CHANNEL_SECONDS, RETRY_SECONDS, Channels, Question

SECOND = 1_000_000
QUESTION = Question("local", "ipv4:127.0.0.1:1", "Hello")


def test_a_connection_goes_on_until_it_has_been_silent_for_long():
    made = Channels()
    assert made.conversation("local", "peer", 0) is None
    made.in_conversation("local", "peer", "room_1", 0)
    assert made.conversation("local", "peer", CHANNEL_SECONDS * SECOND) == "room_1"
    assert made.conversation("somebody", "peer", 0) is None
    assert made.conversation("local", "other peer", 0) is None
    assert made.conversation("local", "peer", CHANNEL_SECONDS * SECOND + 1) is None
    made.in_conversation("local", "peer", "room_2", CHANNEL_SECONDS * SECOND)
    assert made.conversation("local", "peer", 2 * CHANNEL_SECONDS * SECOND) == "room_2"


def test_a_broken_answer_is_given_once_and_not_for_ever():
    made = Channels()
    made.broke_off(QUESTION, "run_1", 0)
    assert made.take_broken(Question("local", QUESTION.where, "Hello!"), 1) is None
    assert made.take_broken(QUESTION, RETRY_SECONDS * SECOND) == "run_1"
    assert made.take_broken(QUESTION, RETRY_SECONDS * SECOND) is None
    made.broke_off(QUESTION, "run_2", 0)
    assert made.take_broken(QUESTION, RETRY_SECONDS * SECOND + 1) is None


def test_the_oldest_are_forgotten(monkeypatch):
    monkeypatch.setattr(channels, "MOST", 3)
    made = Channels()
    for number in range(5):
        made.in_conversation("local", f"peer {number}", f"room_{number}", number)
    kept = [made.conversation("local", f"peer {number}", 5) for number in range(5)]
    assert kept == [None, None, "room_2", "room_3", "room_4"]
    made.in_conversation("local", "peer 2", "room_2", 6)
    made.in_conversation("local", "peer 5", "room_5", 7)
    assert made.conversation("local", "peer 2", 8) == "room_2"
    assert made.conversation("local", "peer 3", 8) is None


def test_what_is_over_takes_no_room():
    made = Channels()
    made.in_conversation("local", "old", "room_1", 0)
    made.in_conversation("local", "new", "room_2", (CHANNEL_SECONDS + 1) * SECOND)
    assert len(made._conversations._kept) == 1
