"""Puts together what a reconciliation needs: a data directory, a provider's admin key, and its books."""

from collections.abc import Sequence

from talkmeter.accounts.store import ProviderAccount
from talkmeter.app.administration import tell_server
from talkmeter.app.wiring import Accounts, base_url_of, open_database, timeouts_of
from talkmeter.clock import SECOND, now
from talkmeter.config import Resolved
from talkmeter.errors import BadInput, NotFound
from talkmeter.logs import hide
from talkmeter.metering.pricebook import PriceBook
from talkmeter.metering.reconciling.books import Scope
from talkmeter.metering.reconciling.reconciler import Reconciler, Report
from talkmeter.providers.client import Client
from talkmeter.providers.organization import OrganizationBooks


async def reconcile(
    resolved: Resolved,
    start: int,
    end: int,
    *,
    provider: str | None = None,
    projects: Sequence[str] = (),
    api_keys: Sequence[str] = (),
    lag_seconds: int = 0,
    settle: bool = False,
) -> tuple[str, Report]:
    """The provider's name, and what its books and the ledger say of the days from start up to before end (seconds).

    provider: its id or name; None: the only one with an admin key. Raises NotFound, BadInput, UpstreamError.
    """
    store = await open_database(resolved)
    client: Client | None = None
    try:
        accounts = Accounts(store, resolved)
        await accounts.load()
        account = _pick(accounts.providers.all(), provider)
        admin_key = accounts.providers.reveal_admin(account)
        assert admin_key is not None
        hide(admin_key)
        prices = PriceBook(store, base_url_of(accounts.providers))
        await prices.load()
        client = Client(timeouts_of(accounts.settings), accounts.settings.get("upstream_proxy"))
        books = OrganizationBooks(base_url=account.base_url, admin_key=admin_key, client=client, by_key=bool(api_keys))
        at = now()
        reconciler = Reconciler(
            store,
            prices,
            books,
            provider_id=account.id,
            scope=Scope(frozenset(projects) or None, frozenset(api_keys) or None),
            complete_until=at - lag_seconds * SECOND,
            at=at,
        )
        report = await reconciler.reconcile(start, end, settle=settle)
    finally:
        if client is not None:
            await client.close()
        await store.close()
    if any(one.committed for one in report.settled):
        tell_server(resolved)
    return account.name, report


def _pick(accounts: Sequence[ProviderAccount], wanted: str | None) -> ProviderAccount:
    if wanted is not None:
        found = [one for one in accounts if wanted in (one.id, one.name)]
        if not found:
            raise NotFound(
                f"There is no provider {wanted}.",
                f"{wanted}(이)라는 제공자가 없습니다.",
                hint=_listed("The providers", accounts),
                hint_ko=_listed("제공자", accounts),
                code="provider_not_found",
                param="provider",
            )
        if found[0].admin_key is not None:
            return found[0]
        raise _no_admin_key(f"The provider {wanted} has no admin key", f"제공자 {wanted}에 관리자 키가 없습니다")
    keyed = [one for one in accounts if one.admin_key is not None]
    if not keyed:
        raise _no_admin_key("No provider has an admin key", "관리자 키가 있는 제공자가 없습니다")
    if len(keyed) > 1:
        raise BadInput(
            "Several providers have an admin key: say which one is meant.",
            "관리자 키가 있는 제공자가 여럿입니다. 하나를 지정하십시오.",
            hint=_listed("--provider takes one of", keyed),
            hint_ko=_listed("--provider에 쓸 수 있는 값", keyed),
            code="which_provider",
            param="provider",
        )
    return keyed[0]


def _listed(words: str, accounts: Sequence[ProviderAccount]) -> str:
    return f"{words}: {', '.join(one.name for one in accounts)}"


def _no_admin_key(words: str, words_ko: str) -> BadInput:
    return BadInput(
        f"{words}; without one its books cannot be read.",
        f"{words_ko}. 관리자 키가 없으면 장부를 읽을 수 없습니다.",
        hint="Enter it in Settings → Providers, or set OPENAI_ADMIN_KEY for the provider of the environment.",
        hint_ko="설정 → 제공자에서 입력하거나, 환경 변수로 만든 제공자라면 OPENAI_ADMIN_KEY를 지정하십시오.",
        code="no_admin_key",
        param="provider",
    )
