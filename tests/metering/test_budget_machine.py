"""Random lives of budgets against a plain model, with a real store on the disk. TALKMETER_LIVES of them (12)."""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from support.store_values import a_settlement, an_opening
from talkmeter.accounts.keys import Keys
from talkmeter.accounts.passwords import Passwords
from talkmeter.accounts.principals import OWNER
from talkmeter.accounts.users import Users
from talkmeter.errors import Conflict, InvalidKey
from talkmeter.metering.budget_making import new_budget
from talkmeter.metering.budgets import BudgetBook
from talkmeter.metering.cost import Cost
from talkmeter.metering.ledger import CorrectEntry, PriceEntry
from talkmeter.metering.periods import span_of
from talkmeter.metering.reservations import correction, flagged, release, reservations_text
from talkmeter.metering.usage import Usage
from talkmeter.metering.worst_case import WorstCase
from talkmeter.store import open_store

DAY = 86_400_000_000
LIVES = int(os.environ.get("TALKMETER_LIVES", "12"))
BUDGETS = (
    {"name": "all", "amount": "$0.0000000015", "period": "day"},  # 1,500 picodollars
    {"name": "ann", "amount": "$0.000000004", "period": "week", "scope": "user", "scope_id": "ann"},
    {"name": "lab", "amount": "900 tokens", "period": "month", "scope": "tag", "scope_id": "lab"},
    {"name": "app", "amount": "$0.000000002", "period": "day", "scope": "key"},
    {"name": "soft", "amount": "$0.000000000000", "period": "total", "hard": False},
)


class Lives(RuleBasedStateMachine):
    """In the model a call counts its worst case until it is known better, in the period in which it was opened."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="talkmeter-budgets-"))
        self.now = 1_795_988_000_000_000
        self.zone = "Asia/Seoul"
        self.made = []
        self.counted = {}  # (budget id, period start) → {call id: (spent, reserved)}
        self.open = {}  # call id → (opening, worst)
        self.unpriced = {}  # call id → (opening, settlement)
        self.unknown = {}  # the same of calls of which nobody knows yet what they came to
        self.tokens = {}  # of the key and of what it was rotated into → when each ends, None: never
        self.key_id = None  # of the newest of these

    def run(self, work):
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self):
        self.start()
        self.key_id, token = self.run(self.issued())
        self.tokens[token] = None
        for fields in BUDGETS:
            whose = {"scope_id": self.key_id} if fields.get("scope") == "key" else {}
            self.run(self.book.add(replace(new_budget(**fields, **whose), id=f"budget_{fields['name']}")))

    async def issued(self):
        key, token = await self.keys.issue(user_id=OWNER, name="app")
        return key.id, token

    def start(self):
        self.store = self.run(open_store(self.folder / "talkmeter.db", ballast=4096, readers=1))
        self.book = BudgetBook(self.store, lambda: self.zone)
        self.run(self.book.load())
        users = Users(self.store, Passwords(self.store), lambda: self.now)
        self.run(users.load())
        self.keys = Keys(self.store, users, lambda: self.now)
        self.run(self.keys.load())

    def teardown(self):
        self.run(self.finish())
        self.loop.close()
        shutil.rmtree(self.folder)

    async def finish(self):
        """At the end of every life nothing is reserved once all calls are settled."""
        for call_id in list(self.open):
            await self._settle(call_id, None)
        assert not self.open
        await self._compare()
        for (budget_id, start), calls in self.counted.items():
            counted = (await self.store.counted({budget_id: start}))[budget_id]
            assert (counted.reserved, counted.spent) == (0, sum(spent for spent, _ in calls.values()))
        await self.store.close()

    # What happens

    @rule(
        money=st.integers(0, 1_600),
        tokens=st.integers(0, 500),
        user=st.sampled_from(["ann", "bob"]),
        tags=st.sampled_from([(), ("lab",)]),
        data=st.data(),
    )
    def a_call_is_opened(self, money, tokens, user, tags, data):
        budgets = self.book.applicable(user_id=user, tags=tags, key_id=self.key_of(data))
        worst = WorstCase(money, tokens)
        call_id = f"call_{len(self.made):04}"
        self.made.append(call_id)
        reserve = self.book.reservation(budgets, worst, self.now, entry_id=call_id)
        opening = an_opening(id=call_id, opened_at=self.now, reservations=reservations_text(reserve))
        keys = {budget.id: (budget.id, self.start_of(budget)) for budget in budgets}
        asked = {budget.id: money if budget.unit == "picodollars" else tokens for budget in budgets}
        fits = all(
            not budget.hard or self.total(keys[budget.id]) + asked[budget.id] <= budget.amount for budget in budgets
        )
        try:
            self.run(self.store.commit(*([reserve] if reserve else []), opening))
        except Conflict as conflict:
            assert not fits
            refusal = self.book.refusal(conflict)
            refused = self.book.get(refusal.details["budget_id"])
            assert self.total(keys[refused.id]) + asked[refused.id] > refused.amount
            return
        assert fits
        self.open[opening.id] = opening
        for budget_id, key in keys.items():
            self.counted.setdefault(key, {})[opening.id] = (0, asked[budget_id])

    def key_of(self, data):
        """What budgets go by: none, or the id of the first key, whichever of its successors is used."""
        token = data.draw(st.sampled_from([None, *self.tokens]))
        if token is None:
            return None
        ends = self.tokens[token]
        try:
            key = self.keys.find(token)
        except InvalidKey:
            assert ends is not None
            assert ends <= self.now
            return None
        assert ends is None or self.now < ends
        return self.keys.first_id(key)

    @rule(overlap=st.sampled_from([0, 3600]))
    def the_key_is_rotated(self, overlap):
        *_, old = self.tokens
        before = self.keys.get(self.key_id)
        new, token = self.run(self.keys.rotate(self.key_id, overlap))
        ends = self.now + overlap * 1_000_000
        self.tokens[old] = ends if before.expires_at is None else min(ends, before.expires_at)
        self.tokens[token] = new.expires_at
        self.key_id = new.id
        assert self.keys.first_id(new) == next(b.scope_id for b in self.book.all() if b.scope == "key")

    @rule(days=st.sampled_from([None, 0.1, 1, 40]))
    def the_key_gets_another_end(self, days):
        *_, token = self.tokens
        ends = None if days is None else self.now + int(days * DAY)
        self.run(self.keys.update(self.key_id, expires_at=ends))
        self.tokens[token] = ends

    def start_of(self, budget):
        return span_of(budget.period, self.now, ZoneInfo(self.zone)).start

    def total(self, key):
        return sum(spent + reserved for spent, reserved in self.counted.get(key, {}).values())

    @precondition(lambda self: self.open)
    @rule(data=st.data(), end=st.sampled_from(["used", "unknown", "unpriced", "nothing"]))
    def a_call_ends(self, data, end):
        self.run(self._settle(data.draw(st.sampled_from(sorted(self.open))), data, end))

    async def _settle(self, call_id, data, end="nothing"):
        opening = self.open[call_id]
        worst = {key: calls[call_id][1] for key, calls in self.counted.items() if call_id in calls}
        money = min((amount for key, amount in worst.items() if self.unit(key) == "picodollars"), default=0)
        tokens = min((amount for key, amount in worst.items() if self.unit(key) == "tokens"), default=0)
        usage, cost = Usage(prompt_tokens=0, completion_tokens=0), Cost(0)
        if end in ("used", "unpriced"):
            used = data.draw(st.integers(0, tokens))
            usage = Usage(prompt_tokens=used // 2, completion_tokens=used - used // 2)
            cost = Cost(data.draw(st.integers(0, money))) if end == "used" else Cost(None)
        elif end == "unknown":
            usage, cost = None, Cost(None)
        provenance = "unknown" if usage is None else "reported"
        settlement = a_settlement(opening, usage=usage, cost=cost, settled_at=self.now, provenance=provenance)
        assert flagged(opening, settlement) is settlement
        await self.store.commit(settlement, *release(opening, settlement))
        del self.open[call_id]
        if end == "unpriced":
            self.unpriced[call_id] = opening, settlement
        elif end == "unknown":
            self.unknown[call_id] = opening, settlement
        for key, amount in worst.items():
            known = (
                cost.picodollars
                if self.unit(key) == "picodollars"
                else usage and usage.prompt_tokens + usage.completion_tokens
            )
            self.counted[key][call_id] = (amount if known is None else known, 0)
        try:  # a second settlement, of a process that had been held up, changes nothing
            await self.store.commit(settlement, *release(opening, settlement))
            raise AssertionError("settled twice")
        except Conflict as conflict:
            if conflict.code != "already_settled":
                raise

    def unit(self, key):
        return self.book.get(key[0]).unit

    @precondition(lambda self: self.unpriced)
    @rule(data=st.data())
    def a_price_arrives(self, data):
        call_id = data.draw(st.sampled_from(sorted(self.unpriced)))
        opening, settlement = self.unpriced[call_id]
        calls = {
            key: calls for key, calls in self.counted.items() if call_id in calls and self.unit(key) == "picodollars"
        }
        cost = Cost(data.draw(st.integers(0, min(each[call_id][0] for each in calls.values()))))
        changes = correction(opening, settlement, settlement.usage, cost)
        self.run(self.store.commit(PriceEntry(id=call_id, cost=cost), *changes))
        del self.unpriced[call_id]
        for each in calls.values():
            each[call_id] = (cost.picodollars, 0)

    @precondition(lambda self: self.unknown)
    @rule(data=st.data(), tokens=st.integers(0, 500), money=st.integers(0, 1_600))
    def the_provider_tells(self, data, tokens, money):
        """What was unknown is reconciled: the worst case, which stood for it, gives way to the figures."""
        call_id = data.draw(st.sampled_from(sorted(self.unknown)))
        opening, settlement = self.unknown[call_id]
        calls = {key: calls for key, calls in self.counted.items() if call_id in calls}
        most = {
            unit: min((each[call_id][0] for key, each in calls.items() if self.unit(key) == unit), default=figure)
            for unit, figure in (("tokens", tokens), ("picodollars", money))
        }
        usage = Usage(prompt_tokens=min(tokens, most["tokens"]), completion_tokens=0)
        cost = Cost(min(money, most["picodollars"]))
        changes = correction(opening, settlement, usage, cost)
        self.run(self.store.commit(CorrectEntry(id=call_id, provenance="reconciled", usage=usage, cost=cost), *changes))
        del self.unknown[call_id]
        for key, each in calls.items():
            each[call_id] = (cost.picodollars if self.unit(key) == "picodollars" else usage.prompt_tokens, 0)

    @rule()
    def the_process_dies_and_another_settles(self):
        """What was open is settled from what the ledger says, by a process that knows nothing else."""
        self.run(self.store.close())
        self.start()
        for entry in self.run(self.store.open_entries()):
            assert entry.opening == self.open[entry.opening.id]
            self.run(self._settle(entry.opening.id, None, "unknown"))

    @rule(days=st.sampled_from([0.3, 1, 8, 32]))
    def time_passes(self, days):
        self.now += int(days * DAY)

    @rule(zone=st.sampled_from(["UTC", "Asia/Seoul", "America/New_York"]))
    def the_time_zone_changes(self, zone):
        self.zone = zone

    @rule(which=st.integers(0, 3), amount=st.integers(0, 5_000))
    def a_budget_is_edited(self, which, amount):
        budget = self.book.all()[which]
        counted = max((self.total(key) for key in self.counted if key[0] == budget.id), default=0)
        self.run(self.book.change(budget.id, amount=max(amount, counted)))  # lower would be exceeded by the edit itself

    @rule(which=st.integers(0, 3), enabled=st.booleans())
    def a_budget_is_switched(self, which, enabled):
        self.run(self.book.change(self.book.all()[which].id, enabled=enabled))

    # What must hold

    @invariant()
    def the_store_agrees_with_the_model(self):
        self.run(self._compare())

    async def _compare(self):
        for (budget_id, start), calls in self.counted.items():
            counted = (await self.store.counted({budget_id: start}))[budget_id]
            assert counted.spent == sum(spent for spent, _ in calls.values())
            assert counted.reserved == sum(reserved for _, reserved in calls.values())
            budget = self.book.get(budget_id)
            if budget.hard:
                assert counted.spent + counted.reserved <= budget.amount


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=LIVES, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
