"""`talkmeter reconcile`: the ledger held against the provider's own books."""

import sys
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from talkmeter.cli.options import EVERYWHERE, resolved, say, setting_options
from talkmeter.cli.tables import say_json, say_table
from talkmeter.cli.values import duration
from talkmeter.wording import numbered

if TYPE_CHECKING:
    from talkmeter.metering.reconciling.comparing import Line
    from talkmeter.metering.reconciling.money import MoneyLine
    from talkmeter.metering.reconciling.reconciler import Report, Settled

DAY = 86_400
MOST_DAYS = 366
HEADS = ("day", "model", "tier", "project", "figure", "provider", "ledger", "difference", "why")
WORDS = {
    "outside": "calls from outside",
    "open": "entries still open",
    "counted": "counted entries",
    "estimated": "estimated entries",
    "unknown": "unknown entries",
    "recent": "books not complete yet",
    "edge": "calls at the day's edge",
    "unpriced": "unpriced entries",
    "price": "another price",
    "rounding": "rounding",
    "unexplained": "UNEXPLAINED",
}
DOUBTS = {
    "open": "an entry is still open in the same minutes",
    "recent": "the books may not be complete yet (--lag)",
    "outside": "calls from outside are in the same minutes",
    "missing": "the books have less than was reported",
    "split": "several entries share the minutes, and their split is not known",
    "unlikely": "what is left does not look like the call",
    "untold": "the books do not tell all the figures",
}


def _day(_: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """An option's callback: a day's first second (UTC) since 1970."""
    if value is None:
        return None
    try:
        return int(datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a day such as 2026-11-20.", param=param) from None


@click.command("reconcile")
@click.option("--from", "first", metavar="DAY", required=True, callback=_day, help="The first day (UTC).")
@click.option("--to", "last", metavar="DAY", callback=_day, help="The last day; else the first is the only one.")
@click.option("--provider", metavar="NAME", help="Whose books; needed if several have an admin key.")
@click.option("--project", "projects", multiple=True, metavar="ID", help="Only this project can be ours; repeatable.")
@click.option(
    "--api-key", "api_keys", multiple=True, metavar="ID", help="Only this key's calls can be ours; repeatable."
)
@click.option(
    "--lag", "lag", default="1h", show_default=True, callback=duration, help="How far behind the books may be."
)
@click.option("--settle/--dry-run", default=False, help="Settle what the books decide; otherwise only say so.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@setting_options(*EVERYWHERE)
def reconcile(
    first: int,
    last: int | None,
    *,
    provider: str | None,
    projects: tuple[str, ...],
    api_keys: tuple[str, ...],
    lag: int,
    settle: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Compare the ledger with the provider's own books; status 1 if a difference is not explained."""
    from talkmeter.app.administration import run
    from talkmeter.app.reconciling import reconcile as reconciling

    end = (first if last is None else last) + DAY
    if end <= first or end - first > MOST_DAYS * DAY:
        raise click.BadParameter(f"--to is a day from --from on, at most {MOST_DAYS} days in all.", param_hint="--to")
    name, report = run(
        reconciling(
            resolved(flags),
            first,
            end,
            provider=provider,
            projects=projects,
            api_keys=api_keys,
            lag_seconds=lag,
            settle=settle,
        )
    )
    if as_json:
        say_json(as_object(name, report))
    else:
        _print(name, report, settle=settle)
    sys.exit(0 if report.explained else 1)


def _print(name: str, report: "Report", *, settle: bool) -> None:
    rows = [row for line in report.usage for row in _rows(line)]
    rows += [row for money in report.money for row in _money_rows(money)]
    if rows:
        say_table(HEADS, rows)
        say("")
    for one in report.settled:
        say(_settled_words(one, settle=settle))
    for doubt, count in sorted(report.doubts.items()):
        say(f"{numbered(count, 'entry', 'entries')} not settled: {DOUBTS[doubt]}.")
    differs = [line for line in report.usage if line.difference]
    money = [line for line in report.money if line.difference]
    days = f"{shown_day(report.start)} to {shown_day(report.end - DAY)}"
    if not differs and not money:
        say(f"{name}, {days}: the ledger and the provider's books are equal, to the token and to the picodollar.")
    elif report.explained:
        say(f"{name}, {days}: every difference is explained.")
    else:
        say(f"{name}, {days}: there are differences that nothing explains.")


def _rows(line: "Line") -> list[list[Any]]:
    rows = []
    head = [shown_day(line.group.day), line.group.model, line.group.tier or "-", ", ".join(line.projects)]
    difference = line.difference
    for figure in line.provider.__struct_fields__:
        told, ours, more = getattr(line.provider, figure), getattr(line.ours, figure), getattr(difference, figure)
        if figure in line.apart or not (told or ours):
            continue
        rows.append([*head, figure.replace("_", " "), f"{told:,}", f"{ours:,}", _signed(more) if more else "0", ""])
        for reason in line.reasons:
            if share := getattr(reason.share, figure):
                words = " + ".join(WORDS[one] for one in reason.names)
                entries = f" ({numbered(reason.entries, 'entry', 'entries')})" if reason.entries else ""
                rows.append(["", "", "", "", "", "", "", _signed(share), words + entries])
    return rows


def _money_rows(line: "MoneyLine") -> list[list[Any]]:
    item = line.item
    head = [shown_day(item.day), item.model, item.tier, "", f"US$ {item.unit}"]
    more = line.difference
    ours = dollars(Fraction(line.ours))
    rows = [[*head, dollars(Fraction(line.provider)), ours, dollars(more, signed=True) if more else "0", ""]]
    for reason in line.reasons:
        words = " + ".join(WORDS[one] for one in reason.names)
        rows.append(["", "", "", "", "", "", "", dollars(reason.picodollars, signed=True), words])
    return rows


def _settled_words(one: "Settled", *, settle: bool) -> str:
    done = "settled" if one.committed else "would be settled" if not settle else "already settled by somebody else"
    usage = one.usage
    figures = {name: figure for name in usage.__struct_fields__ if (figure := getattr(usage, name))}
    found = ", ".join(f"{figure:,} {name.replace('_', ' ')}" for name, figure in figures.items()) or "nothing"
    money = "unpriced" if one.picodollars is None else f"US$ {dollars(Fraction(one.picodollars))}"
    return f"{one.entry_id} ({one.model}, was {one.before}) {done}: {found}; {money}."


def as_object(name: str, report: "Report") -> dict[str, Any]:
    """Picodollars are texts: they may be too large for other programs' numbers."""
    return {
        "provider": name,
        "from": shown_day(report.start),
        "to": shown_day(report.end - DAY),
        "explained": report.explained,
        "usage": [
            {
                "day": shown_day(line.group.day),
                "kind": line.group.kind,
                "model": line.group.model,
                "tier": line.group.tier or None,
                "projects": list(line.projects),
                "provider": line.provider.shown(),
                "ledger": line.ours.shown(),
                "difference": line.difference.shown(),
                "not_compared": list(line.apart),
                "reasons": [
                    {"names": list(one.names), "share": one.share.shown(), "entries": one.entries, "doubt": one.doubt}
                    for one in line.reasons
                ],
            }
            for line in report.usage
        ],
        "money": [
            {
                "day": shown_day(line.item.day),
                "model": line.item.model,
                "tier": line.item.tier,
                "unit": line.item.unit,
                "provider_picodollars": _plain(Fraction(line.provider)),
                "provider_quantity": None if line.provider_quantity is None else str(line.provider_quantity),
                "ledger_picodollars": str(line.ours),
                "ledger_quantity": line.ours_quantity,
                "difference_picodollars": _plain(line.difference),
                "reasons": [{"names": list(one.names), "picodollars": _plain(one.picodollars)} for one in line.reasons],
            }
            for line in report.money
        ],
        "settled": [
            {
                "entry_id": one.entry_id,
                "model": one.model,
                "was": one.before,
                "usage": {name: getattr(one.usage, name) for name in one.usage.__struct_fields__},
                "picodollars": None if one.picodollars is None else str(one.picodollars),
                "committed": one.committed,
            }
            for one in report.settled
        ],
        "not_settled": report.doubts,
    }


def shown_day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def dollars(picodollars: Fraction, *, signed: bool = False) -> str:
    """Exact to the picodollar; what is less than one is not zero."""
    whole = round(abs(picodollars))
    text = f"{whole // 10**12}.{whole % 10**12:012d}".rstrip("0").removesuffix(".")
    if not whole and picodollars:
        text = "<0.000000000001"
    sign = "-" if picodollars < 0 else "+" if signed else ""
    return sign + text


def _plain(picodollars: Fraction) -> str:
    """A whole number as it is, else with six decimals."""
    return str(picodollars.numerator) if picodollars.denominator == 1 else f"{float(picodollars):.6f}"


def _signed(figure: int) -> str:
    return f"{figure:+,}"
