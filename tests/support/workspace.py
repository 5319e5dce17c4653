"""Talkmeter's core on a real store and the simulator over real sockets, without any door in front."""

from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

from support.encodings import loaded
from talkmeter.accounts.keys import Keys
from talkmeter.accounts.passwords import Passwords
from talkmeter.accounts.users import Users
from talkmeter.conversation.asking import Conversation
from talkmeter.conversation.callers import Callers
from talkmeter.conversation.counting import Counting
from talkmeter.conversation.driving import Driver
from talkmeter.conversation.estimate import Estimator
from talkmeter.conversation.images import Images
from talkmeter.conversation.known_models import KnownModels
from talkmeter.conversation.receipts import Receipts
from talkmeter.conversation.recovery import resume_waiting, settle_open_entries
from talkmeter.conversation.rooms import Rooms
from talkmeter.conversation.runs import Runs
from talkmeter.conversation.talks import Talks
from talkmeter.conversation.values import Ask
from talkmeter.ids import new_id
from talkmeter.messages import RoomSettings
from talkmeter.metering.budgets import BudgetBook
from talkmeter.metering.meter import Meter, MeterLimits
from talkmeter.metering.pricebook import PriceBook
from talkmeter.providers.client import Client, Timeouts
from talkmeter.providers.openai_compatible import OpenAICompatible
from talkmeter.simulator.server import Simulator
from talkmeter.store import open_store

ME = "owner"
DEFAULTS = {
    "default_model": "sim-fast",
    "default_provider_id": None,
    "default_window": 5,
    "default_system_prompt": "",
    "default_temperature": None,
    "default_top_p": None,
    "default_max_tokens": None,
}


class OneProvider:
    """A Providers with a single provider, whatever is asked for."""

    def __init__(self, base_url, client):
        self.provider = OpenAICompatible(id="sim", name="Simulator", base_url=base_url, key="sk-test", client=client)

    def pick(self, _provider_id, _model):
        return self.provider

    async def models(self):
        return [model.id for model in await self.provider.models()]

    def context_window(self, _provider_id, _model):
        return None


class Workspace(SimpleNamespace):
    """The parts by name, and short ways to use them as a person would."""

    async def ask(self, text, room_id=None, *, model=None, client_id=None, **more):
        settings = RoomSettings(model=model, **more.pop("settings", {})) if room_id is None else None
        return await self.conversation.ask(
            Ask(
                surface="web",
                principal=ME,
                client_id=client_id or new_id("c"),
                text=text,
                room_id=room_id,
                room=settings,
                **more,
            )
        )

    async def events(self, run_id, after=0):
        return [event async for event in self.runs.follow(ME, run_id, after)]

    async def answer(self, text, room_id=None, **more):
        """Asks, waits for the end, and gives (asked, the answer's view, the last event's kind)."""
        asked = await self.ask(text, room_id, **more)
        events = await self.events(asked.run_id)
        return asked, await self.rooms.message_view(ME, asked.answer.message.id), events[-1].kind


@asynccontextmanager
async def workspace(
    folder: Path,
    *,
    simulator=None,
    defaults=None,
    limits=None,
    timeouts=None,
    recover=True,
    database=None,
    time_zone="UTC",
):
    """database: a URL, else SQLite in the folder. simulator: one that runs already (with its `base_url` set), else a new one as fast as it can. Nothing is left open at the end."""
    await loaded()
    own = simulator is None
    if own:
        simulator = Simulator(folder / "bill.jsonl", tokens_per_second=0)
        simulator.base_url = await simulator.start()
    base_url = simulator.base_url
    client = Client(timeouts or Timeouts(connect=20, headers=20, silence=20))  # only a hang is ever that long
    store = await open_store(database or folder / "talkmeter.sqlite")
    defaults = SimpleNamespace(get=(DEFAULTS | (defaults or {})).get)
    providers = OneProvider(base_url, client)
    prices = PriceBook(store, {"sim": base_url}.get)
    await prices.load()
    budgets = BudgetBook(store, lambda: time_zone)
    await budgets.load()
    meter = Meter(store, prices, limits or MeterLimits(), budgets)
    images = Images(store, folder / "attachments", max_bytes=1_000_000, max_pixels=4_000_000)
    counting = Counting()
    users = Users(store, Passwords(store))
    await users.load()
    keys = Keys(store, users)
    await keys.load()
    callers = Callers(users, keys)
    runs = Runs(store, Driver(store, meter, providers, images, defaults, callers, counting))
    rooms = Rooms(store, runs, images)
    estimator = Estimator(store, prices, providers, defaults, counting)
    conversation = Conversation(store, rooms, runs, estimator)
    made = Workspace(
        folder=folder,
        simulator=simulator,
        store=store,
        providers=providers,
        prices=prices,
        budgets=budgets,
        meter=meter,
        images=images,
        runs=runs,
        rooms=rooms,
        receipts=Receipts(store, counting),
        users=users,
        keys=keys,
        callers=callers,
        conversation=conversation,
        talks=Talks(store, conversation, rooms, runs, callers, defaults, KnownModels(providers.models)),
    )
    if recover:
        await settle_open_entries(store, prices)
        await resume_waiting(store, runs)
    try:
        yield made
    finally:
        await runs.close()
        await client.close()
        await store.close()
        if own:
            await simulator.stop()
