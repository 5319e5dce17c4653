"""The rule that makes the bill, for every way a request can end."""

from hypothesis import given
from hypothesis import strategies as st

from talkmeter.simulator.charging import NOTHING, Charge, charge, claimed
from talkmeter.simulator.shapes import usage_object

figures = st.integers(0, 10**6)


@st.composite
def charges(draw: st.DrawFn) -> Charge:
    """What a chat completion can claim: parts are within their whole."""
    prompt, completion = draw(figures), draw(figures)
    cached, written = draw(st.integers(0, prompt // 2)), draw(st.integers(0, prompt // 2))
    audio, image = draw(st.integers(0, prompt // 2)), draw(st.integers(0, prompt // 2))
    return Charge(
        prompt_tokens=prompt,
        cached_tokens=cached,
        completion_tokens=completion,
        reasoning_tokens=draw(st.integers(0, completion)),
        cache_write_tokens=written,
        prompt_audio_tokens=audio,
        prompt_image_tokens=image,
        completion_audio_tokens=draw(st.integers(0, completion // 2)),
        completion_image_tokens=draw(st.integers(0, completion // 2)),
    )


usages = st.none() | charges().map(usage_object)
error_statuses = st.none() | st.integers(400, 599)


@given(error_statuses, st.booleans(), usages, charges(), figures)
def test_without_a_good_status_nothing_is_charged(
    status: int | None, finished: bool, usage: dict[str, object] | None, truth: Charge, written: int
) -> None:
    cost = charge(status=status, finished=finished, usage_sent=usage, truth=truth, written_tokens=written)
    assert cost == NOTHING


@given(st.booleans(), charges(), charges(), figures)
def test_a_claim_is_charged_as_it_was_made(finished: bool, said: Charge, truth: Charge, written: int) -> None:
    usage = usage_object(said)
    assert claimed(usage) == said
    cost = charge(status=200, finished=finished, usage_sent=usage, truth=truth, written_tokens=written)
    assert cost == said


@given(charges(), figures, st.integers(-(10**6), -1), st.sampled_from(range(9)))
def test_a_negative_claim_is_none(truth: Charge, written: int, negative: int, place: int) -> None:
    said = list(truth)
    said[place] = negative
    usage = usage_object(Charge(*said))
    assert charge(status=200, finished=True, usage_sent=usage, truth=truth, written_tokens=written) == truth


@given(charges(), figures)
def test_without_a_claim_the_end_decides(truth: Charge, written: int) -> None:
    def cost(finished: bool) -> Charge:
        return charge(status=200, finished=finished, usage_sent=None, truth=truth, written_tokens=written)

    assert cost(True) == truth
    seen = {"prompt_tokens", "prompt_audio_tokens", "prompt_image_tokens"}
    broken = {name: figure if name in seen else 0 for name, figure in truth._asdict().items()}
    assert cost(False) == Charge(**broken | {"completion_tokens": written})


def test_a_usage_without_details_can_be_read() -> None:
    assert claimed({"prompt_tokens": 3, "completion_tokens": 4}) == Charge(prompt_tokens=3, completion_tokens=4)
