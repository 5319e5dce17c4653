"""Applies the commits of a group within one open transaction: each as a whole or not at all, many by one statement.

Openings of calls go first and settlements last, each kind at once with what goes along with it; in between the others,
in their order, each under a savepoint of its own. Nobody settles in the group that opens: an opening is awaited before
anything is sent.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy.engine.interfaces import Dialect

from talkmeter.errors import Conflict
from talkmeter.metering.budget_store import AdjustRate, TakeRates
from talkmeter.store import faults
from talkmeter.store.bulk import Bulks
from talkmeter.store.counting_rates import RateCounting
from talkmeter.store.faults import Effect
from talkmeter.store.transaction import Transaction

Changes = tuple[Struct, ...]
Results = tuple[Any, ...]
Outcome = BaseException | Results
Apply = Mapping[type, Callable[[Transaction, Any], Any]]  # what it gives goes to whoever waits for the commit


class Groups:
    """bulk: kinds of which many are applied at once. beside: kinds that may go along with one of these, as they are
    never refused. about: the database's name, for error texts.
    """

    def __init__(
        self,
        connection: Any,
        dialect: Dialect,
        apply: Apply,
        *,
        bulk: Bulks,
        beside: frozenset[type],
        about: str,
    ) -> None:
        self._connection = connection
        self._dialect = dialect
        self._apply = apply
        self._bulk = bulk
        self._beside = beside
        self._about = about
        self._first = [kind for kind, one in bulk.items() if not one.last]
        self._last = [kind for kind, one in bulk.items() if one.last]
        self._transaction = Transaction(connection, dialect)

    def one(self, changes: Changes) -> Results:
        """Raises what keeps one of the changes from being applied."""
        given = [self._apply[type(change)](self._transaction, change) for change in changes]
        return tuple([one for one in given if one is not None])

    def many(self, commits: Sequence[Changes]) -> list[Outcome] | None:
        """Raises only what has ended the transaction. None: some must be applied singly, in a new transaction.

        There is no savepoint around what goes by one statement: SQLite would copy each page that it changes.
        """
        kinds, others = self._sorted(commits)
        outcomes: dict[int, Outcome] = {}
        rates = RateCounting(self._transaction)
        try:
            for kind in self._first:
                if kind in kinds and not self._at_once(kind, commits, kinds[kind], rates, outcomes):
                    return None
            if others:
                rates.write()
                for index in others:
                    outcomes[index] = self._under_savepoint(commits[index])
                rates = RateCounting(self._transaction)
            for kind in self._last:
                if kind in kinds and not self._at_once(kind, commits, kinds[kind], rates, outcomes):
                    return None
            rates.write()
        except Exception as error:
            if not self._can_go_on(error):
                raise
            return None
        return [outcomes[index] for index in range(len(commits))]

    def singly(self, commits: Sequence[Changes]) -> list[Outcome]:
        """As many, each commit on its own: what is wrong with one is told of that one."""
        kinds, others = self._sorted(commits)
        first = [index for kind in self._first for index in kinds.get(kind, ())]
        last = [index for kind in self._last for index in kinds.get(kind, ())]
        outcomes = {index: self._under_savepoint(commits[index]) for index in (*first, *others, *last)}
        return [outcomes[index] for index in range(len(commits))]

    def _sorted(self, commits: Sequence[Changes]) -> tuple[dict[type, list[int]], list[int]]:
        """Where the openings and the settlements are, and where the others are."""
        kinds: dict[type, list[int]] = {}
        others: list[int] = []
        for index, changes in enumerate(commits):
            kind = self.kind(changes)
            if kind is None:
                others.append(index)
            elif kind in kinds:
                kinds[kind].append(index)
            else:
                kinds[kind] = [index]
        return kinds, others

    def kind(self, changes: Changes) -> type | None:
        """What it opens or settles; None if it does more than that."""
        found = None
        for change in changes:
            kind = type(change)
            if kind in self._bulk:
                if found is not None:
                    return None
                found = kind
            elif kind is not TakeRates and kind is not AdjustRate and kind not in self._beside:
                return None
        return found

    def _at_once(
        self,
        kind: type,
        commits: Sequence[Changes],
        indices: Sequence[int],
        rates: RateCounting,
        outcomes: dict[int, Outcome],
    ) -> bool:
        """Applies them all, but for those whose rate limit is reached; false if it cannot."""
        main: list[Struct] = []
        for index in indices:
            given: Results = ()
            try:
                for change in commits[index]:
                    if type(change) is kind:
                        mine = change
                    elif type(change) is TakeRates:
                        given = (*given, rates.take(change))
                    elif type(change) is AdjustRate:
                        rates.adjust(change)
                    else:
                        self._apply[type(change)](self._transaction, change)
            except Conflict as conflict:  # of a TakeRates: nothing that goes along with an opening else is refused
                outcomes[index] = conflict
                continue
            main.append(mine)  # there is one in each
            outcomes[index] = given
        return not main or self._bulk[kind].apply(self._connection, self._dialect, main)

    def _under_savepoint(self, changes: Changes) -> Outcome:
        self._execute("SAVEPOINT one")
        try:
            outcome: Outcome = self.one(changes)
        except Exception as error:
            if not self._can_go_on(error):
                raise
            self._execute("ROLLBACK TO SAVEPOINT one")
            outcome = faults.as_ours(error, self._about)
        self._execute("RELEASE SAVEPOINT one")
        return outcome

    def _can_go_on(self, error: Exception) -> bool:
        """Whether the transaction outlived the error. SQLite ends it by itself when the disk is full or failing."""
        if faults.effect(error) in (Effect.BROKEN, Effect.LOST, Effect.FULL):
            return False
        return bool(getattr(self._connection, "in_transaction", True))

    def _execute(self, text: str) -> None:
        self._connection.execute(text).close()
