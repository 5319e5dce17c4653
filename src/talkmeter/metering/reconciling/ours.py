"""The ledger's side: which entries a provider's books can know of, and what each says. Pure."""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from talkmeter.clock import SECOND
from talkmeter.metering.billing import NOTHING as FREE
from talkmeter.metering.cost import CostLine
from talkmeter.metering.ledger import LedgerEntry
from talkmeter.metering.prices import normal_tier
from talkmeter.metering.reconciling.books import BATCH
from talkmeter.metering.reconciling.figures import ABSENT, KIND_OF, NOTHING, TOLD, Figures, figures_of

Standing = Literal["known", "undecided", "open"]
UNDECIDED = ("counted", "estimated", "unknown")
SKEW = 2  # seconds by which two clocks may differ
LONGEST = 3600  # seconds after its opening in which a call is looked for
LONGEST_BATCH = 26 * 3600
PENDING = ("queued", "in_progress")  # an answer in the background: it is not over with the call


class Ours(Struct, frozen=True, kw_only=True):
    """An entry as it is compared. model, tier: None where no answer has said it; first, last: seconds between which
    the provider can have booked it.

    untold: figures that the entry cannot know. sure: an answer came, so it must be in the books.
    """

    id: str
    kind: str
    requested: str
    model: str | None
    tier: str | None
    first: int
    last: int
    begun: int
    ended: int
    standing: Standing
    provenance: str
    figures: Figures
    batch: bool = False
    sure: bool = False
    exact: bool = False
    expected_input: int | None = None
    untold: tuple[str, ...] = ()
    picodollars: int | None = None
    lines: tuple[CostLine, ...] = ()

    @property
    def day(self) -> int:
        """The first second of the day on which it was made."""
        return self.begun // 86_400 * 86_400

    @property
    def name(self) -> str:
        return self.model or self.requested

    @property
    def money_tier(self) -> str:
        return BATCH if self.batch else self.tier or "standard"


def ours_of(entry: LedgerEntry, at: int) -> Ours | None:
    """None: no book lists such a call, or it was refused and not billed. at: now, in µs."""
    opening, settled = entry.opening, entry.settlement
    kind = KIND_OF.get(opening.endpoint)
    if kind is None or (settled is not None and settled.outcome in ("refused", "not_sent")):
        return None
    batch = opening.endpoint == "batches"
    begun = opening.opened_at // SECOND
    ended = (at if settled is None else settled.settled_at) // SECOND
    if settled is not None and settled.finish_reason in PENDING:
        ended += LONGEST_BATCH
    longest = LONGEST_BATCH if batch else LONGEST
    last = begun + longest if batch else min(max(ended, begun), begun + longest)  # a dead process settles much later
    usage = settled.usage if settled is not None else None
    standing: Standing = "open"
    if settled is not None:
        standing = "undecided" if settled.provenance in UNDECIDED else "known"
        if opening.billing == FREE and settled.provenance == "counted":
            standing = "known"  # a call that costs nothing has no figures but that it was made
    told = {"images": usage and usage.images, "characters": usage and usage.characters}
    told["seconds"] = usage and usage.seconds
    untold = tuple(name for name in TOLD[kind] if standing == "known" and told.get(name, 0) is None)
    return Ours(
        id=opening.id,
        kind=kind,
        requested=opening.model_requested,
        model=settled.model_served if settled is not None else None,
        tier=_tier(kind, settled.service_tier if settled is not None else None, batch=batch, known=standing == "known"),
        first=begun - SKEW,
        last=last + SKEW,
        begun=begun,
        ended=max(ended, begun),
        standing=standing,
        provenance=settled.provenance if settled is not None else "open",
        figures=NOTHING if settled is None else figures_of(usage, _requests(entry, standing)),
        batch=batch,
        sure=settled is not None and settled.http_status is not None and settled.http_status < 300,
        exact=settled is not None and settled.provenance == "counted",
        expected_input=opening.preflight_tokens if opening.preflight_quality == "exact" else None,
        untold=untold,
        picodollars=settled.cost.picodollars if settled is not None else None,
        lines=settled.cost.lines if settled is not None else (),
    )


def _requests(entry: LedgerEntry, standing: Standing) -> int:
    """How many requests the provider should have seen: a call that was never answered may not have reached it.

    What was reconciled as absent was not in its books.
    """
    settled = entry.settlement
    assert settled is not None
    if standing == "known":
        return 0 if settled.provenance == "reconciled" and settled.usage == ABSENT else 1
    return 0 if settled.usage is None else 1


def _tier(kind: str, said: str | None, *, batch: bool, known: bool) -> str | None:
    if kind != "completions":
        return ""
    if batch:
        return BATCH
    return normal_tier(said) if known or said is not None else None


def served_names(entries: Iterable[Ours]) -> dict[str, set[str]]:
    """The names under which a requested model has served, by the name that was requested."""
    names: dict[str, set[str]] = {}
    for one in entries:
        names.setdefault(one.requested, {one.requested}).add(one.name)
    return names
