"""Lines of a provider's books and entries of ours, for the tests of reconciliation: complete ones by default."""

from talkmeter.metering.reconciling.books import BookLine
from talkmeter.metering.reconciling.figures import NAMES, Figures
from talkmeter.metering.reconciling.ours import SKEW, Ours

DAY = 1_790_000_000 // 86_400 * 86_400
NOON = DAY + 43_200


def split(given):
    """Figures, and the rest."""
    figures = {name: given.pop(name) for name in NAMES if name in given}
    return Figures(**figures), given


def a_line(**given):
    figures, rest = split({"requests": 1} | given)
    fields = {"start": NOON, "kind": "completions", "model": "m", "tier": "standard", "project": "proj_1"}
    return BookLine(figures=figures, **fields | rest)


def an_entry(**given):
    if given.get("standing", "known") == "known" or given.get("provenance") == "counted":
        given.setdefault("requests", 1)
    figures, rest = split(given)
    fields = {
        "id": "call_1",
        "kind": "completions",
        "requested": "m",
        "model": "m",
        "tier": "standard",
        "begun": NOON,
        "standing": "known",
        "provenance": "reported",
    } | rest
    fields.setdefault("ended", fields["begun"])
    fields.setdefault("first", fields["begun"] - SKEW)
    fields.setdefault("last", fields["ended"] + SKEW)
    return Ours(figures=figures, **fields)
