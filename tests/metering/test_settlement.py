"""Figures and outcomes by how a call ended: the table in settlement.py, row by row."""

import pytest

from talkmeter.metering.settlement import NOTHING, Ending, decide_figures, decide_outcome
from talkmeter.metering.tap import Tap
from talkmeter.metering.usage import Usage


def tap(usage=None, error=None):
    tap = Tap(streamed=True)
    tap.usage, tap.error = usage, error
    return tap


def figures(kind, tap_=None, quality="exact", drained=False):
    return decide_figures(
        Ending(kind=kind), tap_, prompt_tokens=10, completion_tokens=4, quality=quality, drained=drained
    )


REPORTED = Usage(prompt_tokens=0, completion_tokens=0)
COUNTED = Usage(prompt_tokens=10, completion_tokens=4)


@pytest.mark.parametrize(
    ("kind", "said", "quality", "drained", "usage", "provenance"),
    [
        ("complete", REPORTED, "exact", False, REPORTED, "reported"),
        ("complete", REPORTED, "exact", True, REPORTED, "drained"),
        ("complete", None, "exact", False, COUNTED, "counted"),
        ("complete", None, "estimate", False, COUNTED, "estimated"),
        ("broke", REPORTED, "exact", False, REPORTED, "reported"),
        ("broke", None, "exact", False, COUNTED, "counted"),
        ("cut", None, "exact", False, COUNTED, "counted"),
        ("refused", None, "exact", False, NOTHING, "counted"),
        ("not_reached", None, "exact", False, NOTHING, "counted"),
        ("no_headers", None, "exact", False, None, "unknown"),
    ],
)
def test_figures(kind, said, quality, drained, usage, provenance):
    found = figures(kind, tap(said), quality, drained)
    assert (found.usage, found.provenance) == (usage, provenance)


def test_figures_without_headers_have_no_tap():
    assert figures("no_headers").provenance == "unknown"


@pytest.mark.parametrize(
    ("kind", "error", "stopped", "outcome"),
    [
        ("complete", None, False, "finished"),
        ("complete", {"message": "x"}, False, "failed"),
        ("complete", None, True, "stopped"),
        ("cut", None, True, "stopped"),
        ("broke", None, True, "stopped"),
        ("no_headers", None, True, "stopped"),
        ("cut", None, False, "interrupted"),
        ("broke", None, False, "failed"),
        ("no_headers", None, False, "failed"),
        ("refused", None, True, "refused"),
        ("not_reached", None, True, "not_sent"),
    ],
)
def test_outcomes(kind, error, stopped, outcome):
    assert decide_outcome(Ending(kind=kind), tap(error=error), stopped=stopped) == outcome
