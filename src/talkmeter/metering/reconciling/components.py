"""Which calls can be in which minutes of the provider's books, and what is left once the known ones are taken out.

Which minute a provider books a call in is not promised. Where the known calls prove that it is that of their beginning,
or of their end, known calls are looked for there; else, and whenever a call is not known, it may be in any minute from
the one to the other, by another clock. Every call joins the minutes it may be in; what hangs together that way is one
component, and only over a whole component do the sums have to agree. Pure.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from talkmeter.metering.reconciling.books import BATCH, BookLine
from talkmeter.metering.reconciling.figures import NOTHING, TOLD, Figures
from talkmeter.metering.reconciling.ours import Ours, served_names

MINUTE, DAY = 60, 86_400
Rule = Literal["beginning", "end"]
_PROVING = ("requests", "input", "output")


class Cell(NamedTuple):
    kind: str
    model: str
    tier: str
    minute: int


class Group(NamedTuple):
    """day: its first second."""

    day: int
    kind: str
    model: str
    tier: str


class Component(Struct, kw_only=True):
    """lines: the books'; the entries are ours."""

    kind: str
    lines: list[BookLine]
    known: list[Ours]
    undecided: list[Ours]
    open: list[Ours]

    @property
    def comparable(self) -> bool:
        """Whether requests can be compared: a batch is one entry here and many requests there."""
        return not any(one.batch for one in (*self.known, *self.undecided, *self.open))

    @property
    def untold(self) -> frozenset[str]:
        """Figures that one of the two sides cannot know."""
        named = {name for line in self.lines for name in line.untold}
        return frozenset(named | {name for one in self.known for name in one.untold})

    @property
    def names(self) -> tuple[str, ...]:
        """The figures that are compared here."""
        left = self.untold if self.comparable else self.untold | {"requests"}
        return tuple(name for name in TOLD[self.kind] if name not in left)

    def rests(self) -> dict[tuple[str, str], Figures]:
        """What the books have beyond the known entries, by model and tier; only what is not nothing."""
        names = self.names
        sums: dict[tuple[str, str], Figures] = {}
        for line in self.lines:
            key = line.model, line.tier
            sums[key] = sums.get(key, NOTHING) + line.figures.only(names)
        for one in self.known:
            key = one.name, one.tier or ""
            sums[key] = sums.get(key, NOTHING) - one.figures.only(names)
        return {key: rest for key, rest in sums.items() if rest}

    def shares(self) -> dict[Group, Figures]:
        """What the books have beyond all that the ledger says, by the groups of the table; only what is not nothing."""
        names = self.names
        sums: dict[Group, Figures] = {}
        for line in self.lines:
            group = group_of_line(line)
            sums[group] = sums.get(group, NOTHING) + line.figures.only(names)
        for one in (*self.known, *self.undecided, *self.open):
            group = group_of_entry(one)
            sums[group] = sums.get(group, NOTHING) - one.figures.only(names)
        return {group: share for group, share in sums.items() if share}


def group_of_line(line: BookLine) -> Group:
    return Group(line.start // DAY * DAY, line.kind, line.model, line.tier)


def group_of_entry(one: Ours) -> Group:
    tier = one.tier if one.tier is not None else "standard"
    return Group(one.day, one.kind, one.name, tier)


def booking_rule(lines: Iterable[BookLine], entries: Iterable[Ours]) -> Rule | None:
    """By which minute the provider books, if the known calls prove it.

    By the wrong rule a call that lasts over the end of a minute is missed in one minute and one too many in another.
    Minutes in which a call may be that is not known prove nothing, and neither do calls from outside.
    """
    told: dict[Cell, Figures] = {}
    for line in lines:
        cell = Cell(line.kind, line.model, line.tier, line.start)
        told[cell] = told.get(cell, NOTHING) + line.figures.only(_PROVING)
    known, doubtful = [], set()
    for one in entries:
        if one.batch:
            continue  # its requests are made whenever there is room for them
        if one.standing == "known":
            known.append(one)
        else:
            doubtful |= {(one.kind, minute) for minute in _minutes(one.first, one.last)}
    standing = [rule for rule in _RULES if _holds(rule, told, known, doubtful)]
    return standing[0] if len(standing) == 1 else None


_RULES: tuple[Rule, Rule] = ("beginning", "end")


def _holds(rule: Rule, told: dict[Cell, Figures], known: Iterable[Ours], doubtful: set[tuple[str, int]]) -> bool:
    sums: dict[Cell, Figures] = {}
    for one in known:
        cell = Cell(one.kind, one.name, one.tier or "", _booked_in(one, rule))
        sums[cell] = sums.get(cell, NOTHING) + one.figures.only(_PROVING)
    return not any(
        (told.get(cell, NOTHING) - figures).negative
        for cell, figures in sums.items()
        if (cell.kind, cell.minute) not in doubtful
    )


def _booked_in(one: Ours, rule: Rule) -> int:
    return (one.begun if rule == "beginning" else one.ended) // MINUTE * MINUTE


def _minutes(first: int, last: int) -> range:
    return range(first // MINUTE * MINUTE, last + 1, MINUTE)


def components(lines: Iterable[BookLine], entries: Sequence[Ours], rule: Rule | None = None) -> list[Component]:
    """lines: by the minute. rule: as `booking_rule` has it."""
    lines = list(lines)
    served = served_names(entries)
    tiers: dict[tuple[str, str], set[str]] = {}
    batched: dict[tuple[str, str], list[int]] = {}
    for line in lines:
        tiers.setdefault((line.kind, line.model), set()).add(line.tier)
        if line.tier in (BATCH, ""):
            batched.setdefault((line.kind, line.model), []).append(line.start)
    joined = _Joined()
    for line in lines:
        joined.join([Cell(line.kind, line.model, line.tier, line.start)])
    places = [joined.join(_cells(one, served, tiers, batched, rule)) for one in entries]
    found: dict[Cell, Component] = {}

    def at(cell: Cell) -> Component:
        root = joined.root(cell)
        if root not in found:
            found[root] = Component(kind=cell.kind, lines=[], known=[], undecided=[], open=[])
        return found[root]

    for line in lines:
        at(Cell(line.kind, line.model, line.tier, line.start)).lines.append(line)
    for one, place in zip(entries, places, strict=True):
        component = at(place)
        {"known": component.known, "undecided": component.undecided, "open": component.open}[one.standing].append(one)
    return list(found.values())


def _cells(
    one: Ours,
    served: dict[str, set[str]],
    tiers: dict[tuple[str, str], set[str]],
    batched: dict[tuple[str, str], list[int]],
    rule: Rule | None,
) -> list[Cell]:
    """Everywhere in the books where the call can be."""
    first, last = one.first // MINUTE * MINUTE, one.last
    if one.standing == "known" and not one.batch and rule is not None:
        return [Cell(one.kind, one.name, one.tier or "", _booked_in(one, rule))]
    models = [one.model] if one.model is not None else sorted(served[one.requested])
    cells = []
    for model in models:
        if one.batch:
            minutes = [first, *(start for start in batched.get((one.kind, model), ()) if first <= start <= last)]
        else:
            minutes = list(_minutes(first, last))
        possible = [one.tier] if one.tier is not None else sorted(tiers.get((one.kind, model), set()) | {"standard"})
        cells += [Cell(one.kind, model, tier, minute) for tier in possible for minute in minutes]
    return cells


class _Joined:
    """Cells that hang together."""

    def __init__(self) -> None:
        self._above: dict[Cell, Cell] = {}

    def root(self, cell: Cell) -> Cell:
        while (above := self._above.setdefault(cell, cell)) != cell:
            self._above[cell] = self._above[above]
            cell = above
        return cell

    def join(self, cells: Sequence[Cell]) -> Cell:
        first = self.root(cells[0])
        for cell in cells[1:]:
            self._above[self.root(cell)] = first
        return first
