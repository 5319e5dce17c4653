"""Everything, made and put together once. The only code that picks a store, the providers and the surfaces."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from talkmeter.accounts.entrance import Entrance
from talkmeter.accounts.kept_texts import KeptTexts
from talkmeter.accounts.keys import Keys
from talkmeter.accounts.passwords import Passwords
from talkmeter.accounts.preferences import Preferences
from talkmeter.accounts.provider_accounts import ProviderAccounts
from talkmeter.accounts.routes import Routes
from talkmeter.accounts.secrets import Sealer, load_key
from talkmeter.accounts.sessions import Sessions
from talkmeter.accounts.settings import Settings
from talkmeter.accounts.users import Users
from talkmeter.app.call_log import CallLog
from talkmeter.app.host_names import hosts_of
from talkmeter.app.own_address import OwnAddress
from talkmeter.app.simulating import InProcessSimulator, Simulator
from talkmeter.app.telemetry import Telemetry
from talkmeter.app.tls import open_tls
from talkmeter.app.uploads import FOLDER as IMPORTS
from talkmeter.app.uploads import ImportUploads
from talkmeter.app.workspace import address_of, rules
from talkmeter.clock import SECOND, now
from talkmeter.config import Resolved
from talkmeter.conversation.asking import AskLimits, Conversation
from talkmeter.conversation.callers import Callers
from talkmeter.conversation.counting import Counting
from talkmeter.conversation.driving import Driver
from talkmeter.conversation.estimate import Estimator
from talkmeter.conversation.gateway.passing_on import Gateway
from talkmeter.conversation.gateway.values import GatewayLimits
from talkmeter.conversation.images import Images
from talkmeter.conversation.known_models import KnownModels
from talkmeter.conversation.receipts import Receipts
from talkmeter.conversation.recovery import resume_waiting, settle_abandoned, settle_open_entries
from talkmeter.conversation.rooms import Rooms
from talkmeter.conversation.runs import Closed, Runs
from talkmeter.conversation.talks import Talks
from talkmeter.errors import NotFound, SettingError, StoreError, TalkmeterError
from talkmeter.logs import hide
from talkmeter.metering.budgets import BudgetBook
from talkmeter.metering.meter import Meter, MeterLimits
from talkmeter.metering.passing import PassingMeter
from talkmeter.metering.pricebook import PriceBook
from talkmeter.metering.prices.rows import PICODOLLARS
from talkmeter.metering.tokens import assume
from talkmeter.providers.client import Client, Timeouts
from talkmeter.providers.registry import Registry
from talkmeter.store import Store, open_remote_store, open_store
from talkmeter.store.archive import ATTACHMENTS, KEY

log = logging.getLogger(__name__)

WATCH_SECONDS = 0.5


class Accounts:
    """What the store keeps about people and providers; enough for most commands."""

    def __init__(self, store: Store, resolved: Resolved) -> None:
        self.store = store
        self.sealer = sealer_of(resolved)
        self.kept_texts = KeptTexts(self.sealer)
        self.providers = ProviderAccounts(store, self.sealer, resolved)
        self.settings = Settings(resolved, store, lambda: self.providers.usual_model)
        self.preferences = Preferences(self.settings, store)
        self.sessions = Sessions(store)
        self.passwords = Passwords(store)
        self.routes = Routes(store, self.providers)
        self.users = Users(store, self.passwords)
        self.keys = Keys(store, self.users)
        self.seen: Mapping[str, int] = {}  # the revisions that are known here

    async def load(self) -> None:
        """Who may come in first of all: nothing that is wrong with the rest may keep a revoked key alive.

        Raises SettingError if there are sealed keys that our key does not open.
        """
        seen = await self.store.revisions()  # before the rest: what changes meanwhile is read once more
        await self.users.load()
        await self.keys.load()
        await self.settings.load()
        await self.preferences.load()
        await self.providers.load()
        await self.routes.load()
        self.seen = seen


class Application:
    """The parts, for surfaces to use. Made by `open_application`; `close` ends them in order."""

    def __init__(
        self, resolved: Resolved, store: Store, accounts: Accounts, simulator: Simulator | None = None
    ) -> None:
        self.resolved = resolved
        self.tls = open_tls(resolved)
        self.store = store
        self.accounts = accounts
        get = accounts.settings.get
        assume(get("assumed_encoding"))
        self.simulator: Simulator = simulator or InProcessSimulator(
            resolved.data_dir, get("simulator_tokens_per_second"), accounts.providers.simulator_runs_at
        )
        self.client = Client(timeouts_of(accounts.settings), get("upstream_proxy"), most=get("upstream_connections"))
        self.hosts = hosts_of(get, self.tls)
        self.own_address = OwnAddress(self.hosts)
        self.registry = Registry(accounts.providers, self.client, self.simulator.start, self.own_address.is_ours)
        self.prices = PriceBook(store, base_url_of(accounts.providers))
        self.budgets = BudgetBook(store, lambda: accounts.settings.get("time_zone"), unseen=get("gateway_unseen"))
        self.meter = Meter(store, self.prices, _meter_limits(accounts.settings), self.budgets)
        self.images = Images(
            store,
            resolved.data_dir / ATTACHMENTS,
            max_bytes=get("upload_bytes"),
            max_pixels=get("upload_pixels"),
        )
        self.uploads = ImportUploads(store, self.images, resolved.data_dir / IMPORTS)
        self.counting = Counting()
        self.entrance = Entrance(accounts.keys, frozenset(self.hosts), lambda: get("gateway_local"))
        self.callers = Callers(accounts.users, accounts.keys)
        driver = Driver(store, self.meter, self.registry, self.images, accounts.settings, self.callers, self.counting)
        self.runs = Runs(store, driver)
        estimator = Estimator(store, self.prices, self.registry, accounts.settings, self.counting)
        self.rooms = Rooms(store, self.runs, self.images)
        limits = AskLimits(text_bytes=get("text_bytes"), images=get("images_per_message"))
        self.conversation = Conversation(store, self.rooms, self.runs, estimator, limits)
        known = KnownModels(self.listed_models)
        self.talks = Talks(store, self.conversation, self.rooms, self.runs, self.callers, accounts.settings, known)
        self.receipts = Receipts(store, self.counting)
        self.passing = PassingMeter(store, self.prices, self.budgets, accounts.kept_texts.seal)
        self.telling: CallLog | None = None
        self.telemetry: Telemetry | None = None
        self.gateway = Gateway(self.passing, self.registry, accounts.routes, _gateway_limits(accounts.settings))

    async def recover(self) -> int:
        """Settles what a dead process left open, and takes up the questions that waited; how many were settled.

        Before anybody can ask: a new question of a room must not overtake one that waits there.
        """
        await self.load_prices()
        if self.telling is not None:
            self.telling.remember(entry.opening for entry in await self.store.open_entries())
        settled = await settle_open_entries(self.store, self.prices, self.accounts.kept_texts.open)
        if self.accounts.providers.simulator_in_use and await self.store.unfinished_runs():
            await self.simulator.start()
        waiting = await resume_waiting(self.store, self.runs)
        if waiting:
            log.info("questions_resumed", extra={"count": waiting})
        return settled

    async def reload(self) -> None:
        """Reads again what another process may have changed: users, keys, settings, providers, prices, budgets."""
        await self.accounts.load()
        await self.load_prices()

    async def load_prices(self) -> None:
        await self.prices.load()
        await self.budgets.load()

    async def settle_for(self, entry_ids: Collection[str]) -> int:
        """Settles what another process had opened and is gone; waits until it can. How many were open."""
        while True:
            try:
                return await settle_abandoned(self.store, self.prices, entry_ids, self.accounts.kept_texts.open)
            except StoreError as error:
                log.error("worker_not_settled", extra={"reason": error.message})
                await asyncio.sleep(WATCH_SECONDS)

    async def watch(self) -> None:
        """Until it is cancelled: hears of what other processes have changed, and stores when keys were last used.

        Another worker, a server on another machine or a command may have revoked a key: it must be of no more use
        within a second.
        """
        trouble = ""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                if await self.store.revisions() != self.accounts.seen:
                    await self.reload()
                await self.accounts.keys.write_uses()
                trouble = ""
            except TalkmeterError as error:
                if error.message != trouble:  # once, not twice a second
                    log.error("watching_failed", extra={"reason": error.message})
                trouble = error.message

    async def begin(self) -> None:
        """What must not delay the first answer: the simulator if it is wanted, and the lists of models."""
        if self.accounts.providers.simulator_in_use:
            await self.simulator.start()
        if len(self.accounts.providers.enabled()) > 1:  # so that a model finds the provider that lists it
            await self.registry.offers()

    async def end_runs(self, grace: float) -> Closed:
        """Nothing new starts; what runs gets `grace` seconds, then is interrupted and settled."""
        closed, _ = await asyncio.gather(self.runs.close(grace), self.gateway.close(grace))
        return closed

    async def listed_models(self) -> list[str]:
        """The names that a conversation may ask for: what the providers list. Routes are for `/v1` alone."""
        return list({model.id: None for offer in await self.registry.offers() for model in offer.models})

    async def offered_models(self) -> list[dict[str, Any]]:
        """`/v1/models`: what the providers offer and what routes add, in OpenAI's shape."""
        names: dict[str, str] = {}
        for offer in await self.registry.offers():
            for model in offer.models:
                names.setdefault(model.id, offer.account.name)
        for alias in self.accounts.routes.aliases():
            names.setdefault(alias, "talkmeter")
        made = now() // SECOND
        return [{"id": name, "object": "model", "created": made, "owned_by": owner} for name, owner in names.items()]

    async def close(self) -> None:
        """After `end_runs`, and once no request is being answered any more."""
        await self.uploads.close()
        await self.client.close()
        await self.simulator.stop()
        with contextlib.suppress(StoreError):  # nothing that a stop should fail for
            await self.accounts.keys.write_uses(all_of_them=True)
        await self.store.close()
        if self.telling is not None:
            await asyncio.to_thread(self.telling.close)
        if self.telemetry is not None:
            await asyncio.to_thread(self.telemetry.close)

    def tell_of_calls(self) -> None:
        """From now on the log, and whoever takes telemetry, hears of calls. For the process that writes.

        Raises SettingError if telemetry is wanted and cannot be had.
        """
        self.telemetry = Telemetry(self.resolved)
        if self.telemetry.tell:
            self.telling = CallLog(self.telemetry.tell)
            self.store.watch(self.telling.note)


async def open_application(resolved: Resolved) -> Application:
    """For the server, which holds the data directory.

    Raises SettingError, StoreError, BadInput (a base URL from the environment): each says what to do.
    """
    store = await open_database(resolved, begins=True, alone=True)
    try:
        accounts = Accounts(store, resolved)
        await accounts.load()
        return Application(resolved, store, accounts)
    except BaseException:
        await store.close()
        raise


async def open_worker(
    resolved: Resolved,
    connected: socket.socket,
    lost: Callable[[], object],
    simulator_of: Callable[[Callable[[str], None]], Simulator],
) -> Application:
    """As open_application, for a process that another one writes for. simulator_of: is given who hears its base URL."""
    store = await open_remote_store(address_of(resolved), connected, lost)
    accounts = Accounts(store, resolved)
    await accounts.load()
    return Application(resolved, store, accounts, simulator_of(accounts.providers.simulator_runs_at))


async def open_database(resolved: Resolved, *, begins: bool = False, alone: bool = False) -> Store:
    """The store that the settings name. begins, alone: see workspace.rules; where a workspace may begin, its data
    directory is made. Raises NotFound, Conflict, SettingError, StoreError.
    """
    if begins or resolved.data_dir.exists():
        await asyncio.to_thread(make_data_dir, resolved.data_dir)
    return await open_store(address_of(resolved), may_change=rules(resolved, begins=begins, alone=alone))


def sealer_of(resolved: Resolved) -> Sealer:
    key_file = resolved.path("key_file", KEY)
    setting = resolved.get("encryption_key")
    for secret in (setting, *(resolved.get(name) for name in ("openai_api_key", "openai_admin_key", "upstream_proxy"))):
        hide(secret)
    return Sealer(load_key(setting, key_file), key_file)


def base_url_of(providers: ProviderAccounts) -> Callable[[str], str | None]:
    """By a provider's id; None once it is gone."""

    def find(provider_id: str) -> str | None:
        try:
            return providers.get(provider_id).base_url
        except NotFound:
            return None

    return find


def make_data_dir(folder: Path) -> None:
    """Only its owner may look inside. Raises SettingError."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        why, why_ko = error.strerror, error.strerror
        if folder.exists() and not folder.is_dir():
            why, why_ko = "it is a file", "폴더가 아니라 파일입니다"
        raise SettingError(
            f"The data directory {folder} cannot be used: {why}.",
            f"데이터 폴더 {folder}을(를) 쓸 수 없습니다: {why_ko}.",
            hint="Give --data-dir or TALKMETER_DATA_DIR a folder that this user may write to.",
            hint_ko="--data-dir이나 TALKMETER_DATA_DIR로 이 사용자가 쓸 수 있는 폴더를 지정하십시오.",
            code="data_dir_unusable",
            param="data_dir",
        ) from None


def timeouts_of(settings: Settings) -> Timeouts:
    return Timeouts(
        connect=settings.get("upstream_connect_seconds"),
        headers=settings.get("upstream_header_seconds"),
        silence=settings.get("upstream_silence_seconds"),
        first_byte=settings.get("upstream_first_token_seconds"),
    )


def _gateway_limits(settings: Settings) -> GatewayLimits:
    get = settings.get
    return GatewayLimits(
        drain_calls=get("gateway_drain_calls"),
        drain_seconds=get("gateway_drain_seconds"),
        drain_picodollars=int(get("gateway_drain_dollars") * PICODOLLARS),
        retry_after_seconds=get("gateway_retry_after_seconds"),
    )


def _meter_limits(settings: Settings) -> MeterLimits:
    return MeterLimits(
        event_bytes=settings.get("upstream_event_bytes"),
        answer_characters=settings.get("answer_bytes"),
        total_seconds=settings.get("upstream_total_seconds"),
    )
