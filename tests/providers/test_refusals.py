"""Errors of a provider, given on as any answer is."""

import pytest

from support.sinks import Sink
from talkmeter.completions import UpstreamBroke
from talkmeter.providers.refusals import Refusal


async def test_a_whole_one_is_the_last_piece():
    refusal = Refusal(502, b"Bad Gateway", [], b"<html>", None)
    sink = Sink()
    assert await refusal.stream_to(sink) == b"<html>"
    assert (sink.pieces, refusal.ended) == ([], True)


@pytest.mark.parametrize(("body", "full", "waited"), [(b"<ht", None, 0), (b"<ht", 1, 1), (b"", None, 0)])
async def test_one_that_broke_off_does_so_after_what_came(body, full, waited):
    refusal = Refusal(502, b"Bad Gateway", [], body, UpstreamBroke("stream", "x"))
    sink = Sink(full)
    with pytest.raises(UpstreamBroke):
        await refusal.stream_to(sink)
    assert b"".join(sink.pieces) == body
    assert sink.waited == waited
