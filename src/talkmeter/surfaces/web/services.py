"""What the page's routes need of the rest of Talkmeter. `app` fills it in."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from talkmeter.accounts.keys import Keys
from talkmeter.accounts.passwords import Passwords
from talkmeter.accounts.preferences import Preferences
from talkmeter.accounts.provider_accounts import ProviderAccounts
from talkmeter.accounts.routes import Routes
from talkmeter.accounts.sessions import Sessions
from talkmeter.accounts.settings import Settings
from talkmeter.accounts.store import ProviderAccount
from talkmeter.accounts.users import Users
from talkmeter.completions import UpstreamModel
from talkmeter.conversation.asking import Conversation
from talkmeter.conversation.budget_scopes import BudgetScopes
from talkmeter.conversation.images import Images
from talkmeter.conversation.importing.uploads import Uploads
from talkmeter.conversation.receipts import Receipts
from talkmeter.conversation.rooms import Rooms
from talkmeter.conversation.runs import Runs
from talkmeter.errors import TalkmeterError
from talkmeter.metering.budgets import BudgetBook
from talkmeter.metering.calls import CallStore
from talkmeter.metering.pricebook import PriceBook
from talkmeter.metering.sums import LedgerSums


class Offer(Protocol):
    """What one provider offers. error: why it could not be asked."""

    @property
    def account(self) -> ProviderAccount: ...

    @property
    def models(self) -> Sequence[UpstreamModel]: ...

    @property
    def error(self) -> TalkmeterError | None: ...


class Tested(Protocol):
    """What came back from a provider's `/models`. status: the provider's, None if it was not reached."""

    @property
    def ok(self) -> bool: ...

    @property
    def status(self) -> int | None: ...

    @property
    def milliseconds(self) -> int: ...

    @property
    def models(self) -> Sequence[str]: ...

    @property
    def error(self) -> TalkmeterError | None: ...


class Upstreams(Protocol):
    """The providers that are switched on."""

    async def offers(self, *, refresh: bool = False) -> Sequence[Offer]: ...

    async def test(self, base_url: str, key: str | None) -> Tested: ...

    async def test_stored(self, provider_id: str) -> Tested: ...


@dataclass(frozen=True, kw_only=True)
class Services:
    """check_store: raises StoreError when the database cannot be used. ledger_sums: for /metrics, at each scrape.

    hosts: names by which the page may be called, besides those of this machine.
    """

    conversation: Conversation
    rooms: Rooms
    runs: Runs
    receipts: Receipts
    images: Images
    prices: PriceBook
    budgets: BudgetBook
    budget_scopes: BudgetScopes
    upstreams: Upstreams
    settings: Settings
    preferences: Preferences
    sessions: Sessions
    passwords: Passwords
    users: Users
    keys: Keys
    providers: ProviderAccounts
    routes: Routes
    calls: CallStore
    uploads: Uploads
    check_store: Callable[[], Awaitable[None]]
    ledger_sums: Callable[[], Awaitable[Sequence[LedgerSums]]]
    hosts: tuple[str, ...]
