"""The ids that calls get by the thousand."""

import pytest

from talkmeter.ids import ALPHABET, new_ordered_id

AT = 1_790_000_000_000  # ms


@pytest.mark.parametrize("step", [1, 1023, 1024, 10**9])
def test_ids_tell_and_sort_by_their_millisecond_whatever_came_before(step, monkeypatch):
    times = [AT + step * number for number in range(5)]
    times += [AT, AT - step]  # a clock that was put back
    clock = iter([at * 1_000_000 + 999_999 for at in times])
    monkeypatch.setattr("talkmeter.ids.time.time_ns", lambda: next(clock))
    ids = [new_ordered_id("call") for _ in times]
    assert [time_of(one) for one in ids] == times
    assert sorted(ids[:5]) == ids[:5]


def test_two_of_a_millisecond_differ(monkeypatch):
    monkeypatch.setattr("talkmeter.ids.time.time_ns", lambda: AT * 1_000_000)
    one, other = new_ordered_id("call"), new_ordered_id("call")
    assert one != other
    assert one[:15] == other[:15]
    assert len(one) == len("call_") + 26


def time_of(ordered_id):
    number = 0
    for letter in ordered_id.removeprefix("call_")[:10]:
        number = number * 32 + ALPHABET.index(letter)
    return number


def test_chance_has_every_letter_at_every_place():
    """80 bits: each of the sixteen letters is any of the 32."""
    ids = [new_ordered_id("call").removeprefix("call_")[10:] for _ in range(2000)]
    assert len(set(ids)) == len(ids)
    assert {len(set(place)) for place in zip(*ids, strict=True)} == {len(ALPHABET)}
