"""What must hold for any usage and any prices."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkmeter.metering import cost as cost_module
from talkmeter.metering.cost import format_usd, price_quantities, price_range, price_usage
from talkmeter.metering.prices import PriceTable, own_row, usd_to_picodollars
from talkmeter.metering.usage import Usage

UNITS = ("input", "cached_input", "cache_write", "output", "audio_input", "audio_output")
USD = st.integers(0, 10**6).map(lambda millionths: f"{millionths // 10**6}.{millionths % 10**6:06}")
RULES = settings(deadline=None, max_examples=60)  # the machine is shared
CALL = {"provider": "host", "model": "m", "tier": None, "at": 1}


@st.composite
def tables(draw, *, dividing=True):
    """A table that prices every unit of model m; with prices that divide, no line is ever rounded."""
    per = 1_000_000 if dividing else draw(st.integers(1, 10**7))
    return PriceTable([own_row(model="m", unit=unit, usd=draw(USD), per=per) for unit in UNITS])


@st.composite
def usages(draw, most=10**9):
    prompt, completion = draw(st.integers(0, most)), draw(st.integers(0, most))
    cached = draw(st.integers(0, prompt))
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=cached,
        cache_write_tokens=draw(st.integers(0, prompt - cached)),
        completion_tokens=completion,
        reasoning_tokens=draw(st.integers(0, completion)),
        completion_audio_tokens=draw(st.integers(0, completion)),
    )


def add(one, other):
    return Usage(
        **{
            name: (getattr(one, name) or 0) + (getattr(other, name) or 0)
            for name in Usage.__struct_fields__
            if getattr(one, name) is not None
        }
    )


@RULES
@given(table=tables(), one=usages(), other=usages())
def test_two_calls_cost_what_both_together_would(table, one, other):
    def cost(usage):
        return price_usage(usage, table, **CALL).picodollars

    assert cost(one) + cost(other) == cost(add(one, other))


@RULES
@given(
    table=tables(dividing=False),
    units=st.sets(st.sampled_from(UNITS)),
    prompt=st.none() | st.integers(0, 10**6),
    cached=st.none() | st.integers(0, 10**6),
    completion=st.none() | st.integers(0, 10**6),
)
def test_text_alone_costs_what_the_whole_reckoning_says(table, units, prompt, cached, completion):
    """Whatever has no price of its own included, and parts that are larger than their whole."""
    some = PriceTable([row for row in table.own_rows if row.unit in units])
    usage = Usage(prompt_tokens=prompt, cached_tokens=cached, completion_tokens=completion)
    quick = price_usage(usage, some, **CALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost_module, "text_cost", lambda *_: None)
        assert price_usage(usage, some, **CALL) == quick


@RULES
@given(table=tables(dividing=False), usage=usages(10**6), more=st.integers(0, 10**6))
def test_never_negative_never_less_for_more(table, usage, more):
    cost = price_usage(usage, table, **CALL).picodollars
    assert cost >= 0
    assert price_usage(add(usage, Usage(prompt_tokens=more)), table, **CALL).picodollars >= cost or more == 0
    larger = Usage(
        **{
            **{name: getattr(usage, name) for name in Usage.__struct_fields__},
            "completion_tokens": usage.completion_tokens + more,
        }
    )
    assert price_usage(larger, table, **CALL).picodollars >= cost


@RULES
@given(table=tables(dividing=False), usage=usages(10**6))
def test_lines_add_up_and_are_within_half_a_picodollar(table, usage):
    cost = price_usage(usage, table, **CALL)
    assert cost.picodollars == sum(line.picodollars for line in cost.lines)
    assert cost.picodollars == cost.input_picodollars + cost.output_picodollars
    tokens = sum(line.quantity for line in cost.lines)
    assert tokens == usage.prompt_tokens + usage.completion_tokens
    for line in cost.lines:
        assert abs(2 * (line.picodollars * line.per - line.quantity * line.picodollars_per)) <= line.per


@RULES
@given(
    table=tables(dividing=False),
    quantities=st.dictionaries(st.sampled_from(UNITS), st.integers(0, 10**9)),
    random=st.randoms(use_true_random=False),
)
def test_the_order_does_not_matter(table, quantities, random):
    items = list(quantities.items())
    shuffled = random.sample(items, len(items))
    one, other = (price_quantities(order, table, **CALL) for order in (items, shuffled))
    assert one.picodollars == other.picodollars
    assert set(one.lines) == set(other.lines)


@RULES
@given(rows=st.lists(st.tuples(st.sampled_from(UNITS), USD, st.integers(0, 50), st.integers(0, 9)), max_size=12))
def test_the_order_of_own_rows_does_not_matter(rows):
    made = [own_row(model="m", unit=u, usd=usd, effective_from=at, band_from=band) for u, usd, at, band in rows]
    forward, backward = PriceTable(made), PriceTable(reversed(made))
    for unit in UNITS:
        for at in (0, 25, 50):
            for prompt in (0, 5, 9):
                one = forward.find("host", "m", unit, "standard", prompt, at)
                other = backward.find("host", "m", unit, "standard", prompt, at)
                assert (one and one.id) == (other and other.id)


@RULES
@given(table=tables(dividing=False), usage=usages(most=10**6), spare=st.integers(0, 10**6))
def test_every_call_lies_between_low_and_high(table, usage, spare):
    text = Usage(
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
        completion_tokens=usage.completion_tokens,
        completion_audio_tokens=usage.completion_audio_tokens,
    )
    found = price_range(
        table,
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
        max_output_tokens=usage.completion_tokens + spare,
        **CALL,
    )
    assert found.low <= found.high
    cached, plain = (table.find("host", "m", unit, "", 0, 1) for unit in ("cached_input", "input"))
    if cached.picodollars * plain.per <= plain.picodollars * cached.per:
        cost = price_usage(text, table, **CALL).picodollars
        assert found.low - 2 <= cost <= found.high + 2  # each line may be rounded by half a picodollar


@RULES
@given(st.integers(-(10**20), 10**20), st.integers(1, 20))
def test_money_as_text_is_exact_and_never_zero_for_something(picodollars, digits):
    text = format_usd(picodollars)
    assert text.startswith("-") == (picodollars < 0)
    assert usd_to_picodollars(text.lstrip("-$")) == abs(picodollars)
    rounded = usd_to_picodollars(format_usd(picodollars, digits=digits).lstrip("-$"))
    assert (rounded == 0) == (picodollars == 0)
    assert abs(rounded - abs(picodollars)) * 2 <= max(abs(picodollars) // 10 ** (digits - 1), 0) * 10
