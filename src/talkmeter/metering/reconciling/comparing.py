"""The table: day, model and tier, the provider's figures beside ours, and the reason for each difference. Pure."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from talkmeter.metering.reconciling.books import BookLine, Scope
from talkmeter.metering.reconciling.components import Component, Group, group_of_entry, group_of_line
from talkmeter.metering.reconciling.deciding import Decided
from talkmeter.metering.reconciling.figures import KINDS, NOTHING, TOLD, Figures, total
from talkmeter.metering.reconciling.ours import Ours

UNEXPLAINED = "unexplained"


class Reason(Struct, frozen=True, kw_only=True):
    """A share of a difference. names: what makes it up, together; entries: of ours that take part.

    outside · open · counted · estimated · unknown · recent · edge · unexplained
    """

    names: tuple[str, ...]
    share: Figures
    entries: int = 0
    doubt: str | None = None


class Line(Struct, kw_only=True):
    """projects: of the provider's figures. apart: figures that one of the sides cannot know, and so not compared."""

    group: Group
    provider: Figures
    ours: Figures
    projects: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    reasons: list[Reason] = []
    outside_scope: bool = False

    @property
    def difference(self) -> Figures:
        names = [name for name in TOLD[self.group.kind] if name not in self.apart]
        return (self.provider - self.ours).only(names)

    @property
    def explained(self) -> bool:
        return all(UNEXPLAINED not in reason.names for reason in self.reasons)


def reason_of(component: Component, decided: Decided, complete_until: int) -> tuple[str, ...]:
    """Why the books and the ledger differ over these minutes."""
    ours = (*component.undecided, *component.open)
    rest = total(component.rests().values())
    names = tuple(sorted({one.provenance for one in ours}))
    excess = rest.requests - len(ours) if component.comparable else 0
    if not component.open and any(one.ended > complete_until for one in (*component.known, *ours)):
        names = (*names, "recent")
    if not ours and not rest:
        return ("edge",)
    gaps = any(one.negative for one in component.rests().values())
    if not gaps and (excess > 0 or decided.doubt == "unlikely"):
        return (*names, "outside")
    if "recent" in names or (ours and not gaps):
        return names
    return (*names, UNEXPLAINED)


def compare(
    days: Sequence[int],
    by_day: Iterable[BookLine],
    entries: Iterable[Ours],
    found: Iterable[tuple[Component, Decided]],
    scope: Scope,
    complete_until: int,
) -> list[Line]:
    """by_day: the books of these days, by the day; found: what the minutes of the days that differ are made of."""
    wanted = frozenset(days)
    lines: dict[tuple[Group, bool], Line] = {}

    def at(group: Group, *, outside: bool = False) -> Line:
        key = group, outside
        if key not in lines:
            lines[key] = Line(group=group, provider=NOTHING, ours=NOTHING, reasons=[], outside_scope=outside)
        return lines[key]

    for told in by_day:
        group = group_of_line(told)
        line = at(group, outside=told not in scope)
        line.provider = line.provider + told.figures.only(TOLD[group.kind])
        line.projects = tuple(sorted({*line.projects, told.project or ""} - {""}))
        line.apart = tuple(sorted({*line.apart, *told.untold}))
    for one in entries:
        group = group_of_entry(one)
        if group.day in wanted:
            line = at(group)
            line.ours = line.ours + one.figures.only(TOLD[group.kind])
            line.apart = tuple(sorted({*line.apart, *one.untold, *(("requests",) if one.batch else ())}))
    for component, decided in found:
        for group, share in component.shares().items():
            if group.day in wanted:
                names = reason_of(component, decided, complete_until)
                counted = len(component.undecided) + len(component.open)
                at(group).reasons.append(Reason(names=names, share=share, entries=counted, doubt=decided.doubt))
    for line in lines.values():
        _complete(line)
    return [lines[key] for key in sorted(lines, key=_place)]


def _place(key: tuple[Group, bool]) -> tuple[int, int, Group, bool]:
    group, outside = key
    return group.day, KINDS.index(group.kind), group, outside


def _complete(line: Line) -> None:
    """Adds up reasons of one kind; what is left of the difference is unexplained."""
    if line.outside_scope:
        line.reasons = [Reason(names=("outside",), share=line.difference)]
        return
    merged: dict[tuple[tuple[str, ...], str | None], Reason] = {}
    names = [name for name in TOLD[line.group.kind] if name not in line.apart]
    for reason in line.reasons:
        known = merged.get((reason.names, reason.doubt), Reason(names=reason.names, share=NOTHING))
        merged[reason.names, reason.doubt] = Reason(
            names=reason.names,
            share=known.share + reason.share.only(names),
            entries=known.entries + reason.entries,
            doubt=reason.doubt,
        )
    line.reasons = [reason for reason in merged.values() if reason.share]
    left = line.difference - total(reason.share for reason in line.reasons)
    if left:
        line.reasons.append(Reason(names=(UNEXPLAINED,), share=left))
