"""The worst case in hand-computed integers: every choice that a request leaves to the provider, at its dearest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from talkmeter.metering import pricebook
from talkmeter.metering.cost import MOST, price_usage
from talkmeter.metering.pricebook import PriceBook
from talkmeter.metering.prices import PriceTable, own_row
from talkmeter.metering.usage import Usage
from talkmeter.metering.worst_case import Bounds, WorstCase, worst_case

AT = 1_800_000_000_000_000  # 2027
BUILT_IN = PriceTable()


def worst(model, table=BUILT_IN, provider="openai", **bounds):
    given_bounds = {"input_tokens": 1_000, "output_tokens": 500, **bounds}
    return worst_case(table, Bounds(**given_bounds), provider=provider, model=model, at=AT)


def own(**usd):
    return PriceTable([own_row(model="own", unit=unit, usd=price) for unit, price in usd.items()])


@pytest.mark.parametrize(
    ("bounds", "picodollars"),
    [
        # gpt-5.4: 2.50 in, 15 out; above 272,000 tokens 5 and 22.50; priority 5 and 30, without a band.
        ({"tier": "default"}, 1_000 * 2_500_000 + 500 * 15_000_000),
        ({"tier": "default", "choices": 4}, 1_000 * 2_500_000 + 2_000 * 15_000_000),
        ({}, 1_000 * 5_000_000 + 500 * 30_000_000),  # auto: the project may be set to priority
        ({"tier": "auto"}, 1_000 * 5_000_000 + 500 * 30_000_000),
        ({"tier": "priority"}, 1_000 * 5_000_000 + 500 * 30_000_000),
        ({"tier": "flex"}, 1_000 * 2_500_000 + 500 * 15_000_000),  # may be served as standard
        ({"tier": "default", "input_tokens": 272_000}, 272_000 * 2_500_000 + 500 * 15_000_000),
        ({"tier": "default", "input_tokens": 272_001}, 272_001 * 5_000_000 + 500 * 22_500_000),
        (
            {"tier": "default", "quantities": {"web_search": 3}},
            1_000 * 2_500_000 + 500 * 15_000_000 + 3 * 10_000_000_000,
        ),
        ({"tier": "default", "quantities": {"web_search": 0}}, 1_000 * 2_500_000 + 500 * 15_000_000),
        ({"tier": "default", "output_tokens": 0}, 1_000 * 2_500_000),
        ({"tier": "default", "input_tokens": 0}, 500 * 15_000_000),
    ],
)
def test_tier_band_choices_and_fees(bounds, picodollars):
    found = worst("gpt-5.4", **bounds)
    assert (found.picodollars, found.unpriced, found.unbounded) == (picodollars, (), ())


def test_tokens_are_counted_too():
    assert worst("gpt-5.4", choices=3).tokens == 1_000 + 3 * 500
    assert worst("nobody-knows").tokens == 1_500


def test_what_may_be_written_to_the_cache_is():
    assert worst("own", own(input="2", output="0", cached_input="0.2", cache_write="2.5")).picodollars == 2_500_000_000
    assert worst("own", own(input="2", output="0", cache_write="2.5", cache_write_1h="4")).picodollars == 4_000_000_000
    assert worst("own", own(input="2", output="0", cache_write="1")).picodollars == 2_000_000_000


def test_audio_and_pictures_cost_their_own_rate_where_they_may_come():
    audio = {"audio_input": True, "audio_output": True}
    # gpt-audio: 2.50 in, 10 out; audio 32 and 64.
    assert worst("gpt-audio").picodollars == 1_000 * 2_500_000 + 500 * 10_000_000
    assert worst("gpt-audio", **audio).picodollars == 1_000 * 32_000_000 + 500 * 64_000_000
    # gpt-image-2: 5 in, 8 for pictures in, 30 out.
    drawing = {"image_input": True, "image_output": True}
    assert worst("gpt-image-2", **drawing).picodollars == 1_000 * 8_000_000 + 500 * 30_000_000
    assert worst("gpt-5.4", tier="default", **drawing).picodollars == 1_000 * 2_500_000 + 500 * 15_000_000
    assert worst("gpt-5.4", tier="default", **audio).unpriced == (
        "gpt-5.4: audio_input has no price",
        "gpt-5.4: audio_output has no price",
    )


def test_characters_seconds_and_pictures_by_number():
    nothing = {"input_tokens": 0, "output_tokens": 0}
    assert worst("tts-1", **nothing, quantities={"character": 4_096}).picodollars == 4_096 * 15_000_000
    assert worst("whisper-1", **nothing, quantities={"second": 60}).picodollars == 60 * 100_000_000
    pictures = {"image:hd:1024x1792": 2}
    assert worst("dall-e-3", **nothing, quantities=pictures).picodollars == 2 * 120_000_000_000
    assert worst("dall-e-3", **nothing, quantities={"image:hd:5x5": 1}).unpriced == (
        "dall-e-3: image:hd:5x5 has no price",
    )


def test_a_band_that_is_cheaper_above_does_not_hide_the_dearer_one_below():
    table = PriceTable(
        [
            own_row(model="own", unit="input", usd="1"),
            own_row(model="own", unit="output", usd="100"),
            own_row(model="own", unit="output", usd="1", band_from=900),
        ]
    )
    assert worst("own", table).picodollars == 899 * 1_000_000 + 500 * 100_000_000


def test_what_has_no_price_says_so():
    assert worst("gpt-9") == WorstCase(None, 1_500, ("gpt-9: input has no price", "gpt-9: output has no price"))
    assert worst("gpt-5.4", tier="scale").unpriced == (
        "gpt-5.4: input has no price in tier scale",
        "gpt-5.4: output has no price in tier scale",
    )
    assert worst("gpt-5.4", unpriced=("the tool shell has no price",)).unpriced == (
        "gpt-5.4: the tool shell has no price",
    )


@pytest.mark.parametrize(
    ("bounds", "tokens", "unbounded"),
    [
        ({"output_tokens": None}, None, ("output",)),
        ({"input_tokens": None, "output_tokens": None}, None, ("input", "output")),
        ({"quantities": {"web_search": None}}, 1_500, ("tools",)),
    ],
)
def test_what_has_no_bound_says_so(bounds, tokens, unbounded):
    assert worst("gpt-5.4", **bounds) == WorstCase(None, tokens, (), unbounded)


def test_a_tier_that_stands_alone_is_enough():
    table = PriceTable([own_row(model="own", unit=unit, usd="1", tier="flex") for unit in ("input", "output")])
    assert worst("own", table, tier="flex").picodollars == 1_500 * 1_000_000


def test_a_figure_beyond_the_ledger_is_not_a_price():
    found = worst("own", own(input="999999999", output="0"), input_tokens=MOST)
    assert found.picodollars is None
    assert found.unpriced == ("own: its worst case is too large to be true",)


def test_a_price_that_does_not_divide_is_never_underestimated():
    table = PriceTable([own_row(model="third", unit="input", usd="0.000000000001", per=3)])
    assert worst("third", table, output_tokens=0).picodollars == 334 + 8


RATES = st.sampled_from(["0", "0.1", "1", "2.5", "7"])


@given(
    rates=st.fixed_dictionaries(
        dict.fromkeys(("input", "output"), RATES),
        optional=dict.fromkeys(("cached_input", "cache_write", "image_input"), RATES),
    ),
    per=st.sampled_from([1_000_000, 3_000_000, 7]),
    bound=st.tuples(st.integers(0, 5_000), st.integers(0, 5_000)),
    shares=st.tuples(*[st.integers(0, 100)] * 5),
)
def test_no_bill_within_the_bounds_is_more_than_the_worst_case(rates, per, bound, shares):
    table = PriceTable([own_row(model="own", unit=unit, usd=usd, per=per) for unit, usd in rates.items()])
    prompt, answer = bound[0] * shares[0] // 100, bound[1] * shares[1] // 100
    cached = prompt * shares[2] // 100
    written = (prompt - cached) * shares[3] // 100
    image = (prompt - cached - written) * shares[4] // 100
    usage = Usage(
        prompt_tokens=prompt,
        completion_tokens=answer,
        cached_tokens=cached,
        cache_write_tokens=written,
        prompt_image_tokens=image,
        cached_image_tokens=0,
    )
    bill = price_usage(usage, table, provider="any", model="own", tier="standard", at=AT).picodollars
    found = worst("own", table, input_tokens=bound[0], output_tokens=bound[1], image_input=True)
    assert bill <= found.picodollars
    assert prompt + answer <= found.tokens


async def test_the_price_book_remembers_what_prices_decide(monkeypatch):
    class Shelf:
        rows = (own_row(model="own", unit="input", usd="1"), own_row(model="own", unit="output", usd="2"))

        async def price_rows(self):
            return self.rows

    addresses = {"p": "https://example.com/v1"}
    book = PriceBook(Shelf(), addresses.get)
    await book.load()

    def of(**bounds):
        given_bounds = Bounds(**{"input_tokens": 10, "output_tokens": 5, **bounds})
        return book.worst_case(given_bounds, "p", "own", AT).picodollars

    assert book.cost(None, "p", (None, ""), None, AT, "nothing").picodollars == 0, "a file names no model"
    assert of() == of() == 20_000_000
    assert of(input_tokens=0) == 10_000_000
    assert of(audio_input=True) is None
    assert of(quantities={"web_search": 1}) is None
    assert len(book._tariffs) == 2
    Shelf.rows = (*Shelf.rows, own_row(model="own", unit="web_search", usd="1", per=1000))
    await book.load()
    assert of(quantities={"web_search": 1}) == 1_020_000_000
    addresses["p"] = "https://api.openai.com/v1"
    assert of() == 20_000_000
    assert len(book._tariffs) == 2
    monkeypatch.setattr(pricebook, "MOST_TARIFFS", 2)
    of(tier="flex")
    assert len(book._tariffs) == 1
    for number in range(5):
        book.priced("p", (f"model-{number}",), AT)
    assert len(book._priced) <= 2


async def test_by_whatever_has_a_price():
    """A recording by seconds or by tokens: the one that is priced, the dearer of two, and the likelier of none."""

    class Shelf:
        rows = ()

        async def price_rows(self):
            return self.rows

    book = PriceBook(Shelf(), {"p": "https://example.com/v1"}.get)
    seconds = Bounds(input_tokens=0, output_tokens=0, quantities={"second": 10})
    tokens = Bounds(input_tokens=1000, output_tokens=100, audio_input=True)
    either = structs.replace(seconds, instead=tokens)

    async def of(*priced, bounds=either):
        Shelf.rows = tuple(own_row(model="own", unit=unit, usd=usd) for unit, usd in priced)
        await book.load()
        return book.worst_case(bounds, "p", "own", AT)

    in_tokens = [("input", "1"), ("audio_input", "2"), ("output", "3")]
    assert (await of(("second", "5"))).picodollars == 50_000_000
    assert await of(*in_tokens) == WorstCase(2_300_000_000, 1_100)
    assert await of(("second", "5"), *in_tokens) == WorstCase(2_300_000_000, 1_100)
    assert await of(("second", "5000"), *in_tokens) == WorstCase(50_000_000_000, 1_100)
    endless = structs.replace(seconds, instead=structs.replace(tokens, output_tokens=None))
    assert (await of(("second", "5000"), *in_tokens, bounds=endless)).tokens is None
    assert (await of()).unpriced == ("own: second has no price",)
    assert (await of(("second", "5"), ("input", "1"))).picodollars is None, "one of two ways has half a price"
