"""Settings, providers, models and prices through the door; keys go in and never come out."""

import json

import pytest

from support.folders import content
from support.web_house import House
from talkmeter.clock import now
from talkmeter.metering.cost import Cost
from talkmeter.metering.ledger import OpenEntry, SettleEntry
from talkmeter.metering.usage import Usage

CANARY = "sk-canary-0123456789abcdefghij-canary"


async def test_settings_are_described_changed_and_kept(house: House):
    before = await house.get("/api/settings")
    assert set(before) == {"settings", "locked", "described"}
    assert set(before["settings"]) == {
        "default_model", "default_provider_id", "default_window", "default_system_prompt", "default_temperature",
        "default_top_p", "default_max_tokens", "currency", "currency_rate", "language", "theme",
            "time_zone",
    }  # fmt: skip
    assert {row["name"] for row in before["described"]} == set(before["settings"])
    assert all(set(row) == {"name", "kind", "default", "help", "help_ko"} for row in before["described"])
    change = {"default_window": 0, "default_temperature": 1, "currency": "KRW", "currency_rate": "1385.5"}
    after = await house.send("PATCH", "/api/settings", change)
    assert after.status == 200
    assert after.json()["settings"] == before["settings"] | change | {"default_temperature": 1.0}
    assert await house.get("/api/settings") == after.json()
    back = await house.send("PATCH", "/api/settings", {"default_temperature": None})
    assert back.json()["settings"]["default_temperature"] is None


async def test_a_locked_setting_is_409_and_nothing_changes(open_house):
    house = await open_house({"TALKMETER_DEFAULT_MODEL": "gpt-4o"})
    assert (await house.get("/api/settings"))["locked"] == {"default_model": "environment"}
    answer = await house.send("PATCH", "/api/settings", {"theme": "dark", "default_model": "x"})
    assert (answer.status, answer.code) == (409, "setting_locked")
    assert (await house.get("/api/settings"))["settings"]["theme"] == "auto"


async def test_everybody_has_a_language_and_a_theme_of_their_own(house: House):
    async def seen(cookie: str) -> tuple[str, str]:
        settings = (await house.send("GET", "/api/bootstrap", cookie=cookie)).json()["settings"]
        return settings["language"], settings["theme"]

    chosen = await house.send("PATCH", "/api/preferences", {"language": "ko", "theme": "dark"}, cookie=house.stranger)
    assert chosen.status == 200
    assert chosen.json()["settings"]["theme"] == "dark"
    assert (await seen(house.stranger), await seen(house.cookie)) == (("ko", "dark"), ("auto", "auto"))
    await house.send("PATCH", "/api/preferences", {"theme": None}, cookie=house.stranger)
    await house.send("PATCH", "/api/preferences", {"language": "ko"})
    changed = await house.send("PATCH", "/api/settings", {"language": "en", "theme": "light"})
    assert changed.json()["settings"]["language"] == "en", "an owner's change holds for the owner, too"
    assert (await seen(house.stranger), await seen(house.cookie)) == (("ko", "light"), ("en", "light"))
    wrong = await house.send("PATCH", "/api/preferences", {"currency": "KRW"}, cookie=house.stranger)
    assert (wrong.status, wrong.code) == (400, "unknown_setting")


async def test_bootstrap_says_what_the_page_needs(house: House):
    boot = await house.get("/api/bootstrap")
    assert set(boot) == {"version", "principal", "name", "role", "settings", "providers", "simulator", "limits"}
    assert boot["simulator"] is True
    assert boot["principal"] == "owner"
    assert boot["limits"] == {
        "upload_bytes": 20_000_000,
        "upload_pixels": 25_000_000,
        "images_per_message": 10,
        "text_bytes": 800_000,
    }
    assert boot["providers"][0]["source"] == "simulator"


async def test_providers_live_their_life(house: House):
    made = await house.send("POST", "/api/providers", {"name": "Ollama", "base_url": "http://localhost:11434/v1/"})
    assert made.status == 201
    provider = made.json()
    assert set(provider) == {
        *("id", "name", "base_url", "key_hint", "enabled", "source", "created_at", "admin_key_hint", "timeouts"),
    }
    assert provider["admin_key_hint"] is None
    assert (provider["base_url"], provider["key_hint"], provider["source"]) == (
        "http://localhost:11434/v1", None, "stored",
    )  # fmt: skip
    taken = await house.send("POST", "/api/providers", {"name": "ollama"})
    assert (taken.status, taken.code) == (409, "name_taken")
    keyed = await house.send("PATCH", f"/api/providers/{provider['id']}", {"key": CANARY, "name": "Mine"})
    assert (keyed.json()["name"], keyed.json()["key_hint"]) == ("Mine", "…nary")
    with_admin = await house.send("PATCH", f"/api/providers/{provider['id']}", {"admin_key": f"{CANARY}-wxyz"})
    assert (with_admin.json()["key_hint"], with_admin.json()["admin_key_hint"]) == (f"…{CANARY[-4:]}", "…wxyz")
    without = await house.send("PATCH", f"/api/providers/{provider['id']}", {"admin_key": ""})
    assert (without.json()["key_hint"], without.json()["admin_key_hint"]) == (f"…{CANARY[-4:]}", None)
    bare = await house.send("PATCH", f"/api/providers/{provider['id']}", {"key": "", "enabled": False})
    assert (bare.json()["key_hint"], bare.json()["enabled"]) == (None, False)
    fixed = await house.send("PATCH", "/api/providers/provider_simulator", {"name": "X"})
    assert fixed.status == 409
    assert (await house.send("DELETE", f"/api/providers/{provider['id']}")).status == 204
    assert (await house.send("DELETE", f"/api/providers/{provider['id']}")).status == 404


NONE = {"connect": None, "headers": None, "first_token": None, "silence": None}


async def test_a_provider_has_time_outs_of_its_own(house: House):
    made = await house.send("POST", "/api/providers", {"name": "Slow", "timeouts": {"first_token": 600}})
    assert (made.status, made.json()["timeouts"]) == (201, NONE | {"first_token": 600})
    address = f"/api/providers/{made.json()['id']}"
    changed = await house.send("PATCH", address, {"timeouts": {"connect": 0.5, "first_token": None}})
    assert changed.json()["timeouts"] == NONE | {"connect": 0.5}
    renamed = await house.send("PATCH", address, {"name": "Slower"})
    assert renamed.json()["timeouts"] == NONE | {"connect": 0.5}
    theirs = (await house.send("GET", "/api/bootstrap", cookie=house.stranger)).json()["providers"]
    assert {one["timeouts"] for one in theirs} == {None}


@pytest.mark.parametrize(("name", "seconds", "most"), [
    ("connect", 601, "600"), ("headers", 0.01, "86,400"), ("first_token", -1, "86,400"), ("silence", 86_401, "86,400"),
])  # fmt: skip
async def test_a_time_out_out_of_bounds_is_refused(house: House, name: str, seconds: float, most: str):
    made = await house.send("POST", "/api/providers", {"name": "Mine", "timeouts": {"silence": 7}})
    for answer in (
        await house.send("POST", "/api/providers", {"name": "Other", "timeouts": {name: seconds}}),
        await house.send("PATCH", f"/api/providers/{made.json()['id']}", {"name": "X", "timeouts": {name: seconds}}),
    ):
        assert (answer.status, answer.code) == (400, "bad_timeout")
        error = answer.json()["error"]
        assert error["param"] == f"timeouts.{name}"
        assert f"from 0.05 to {most}, not {seconds}" in error["message"]
        assert most in error["message_ko"]
    stored = [one for one in (await house.get("/api/providers"))["providers"] if one["source"] == "stored"]
    assert [(one["name"], one["timeouts"]) for one in stored] == [("Mine", NONE | {"silence": 7})]


async def test_a_time_out_that_does_not_exist_is_refused(house: House):
    answer = await house.send("POST", "/api/providers", {"name": "Mine", "timeouts": {"total": 5}})
    assert answer.status == 400


async def test_a_provider_is_tested_for_real(house: House):
    simulator = await house.application.simulator.start()
    good = await house.send("POST", "/api/providers/test", {"base_url": simulator, "key": "sk-x"})
    assert set(good.json()) == {"ok", "status", "milliseconds", "models", "error"}
    assert (good.json()["ok"], good.json()["status"], good.json()["error"]) == (True, 200, None)
    assert "sim-fast" in good.json()["models"]
    stored = await house.send("POST", "/api/providers/provider_simulator/test")
    assert stored.json()["ok"] is True
    bad = await house.send("POST", "/api/providers/test", {"base_url": "http://127.0.0.1:9/v1"})
    assert (bad.status, bad.json()["ok"], bad.json()["status"]) == (200, False, None)
    assert bad.json()["error"]["message_ko"]


async def test_models_carry_limits_prices_and_encodings(house: House):
    simulator = await house.application.simulator.start()
    await house.send("POST", "/api/providers", {"name": "Local", "base_url": simulator})
    models = (await house.get("/api/models"))["models"]
    assert all(
        set(model)
        == {
            "id", "provider_id", "provider_name", "context_window", "max_output", "priced", "input_per_million",
            "output_per_million", "encoding", "encoding_known",
        }
        for model in models
    )  # fmt: skip
    fast = next(model for model in models if model["id"] == "sim-fast")
    assert fast["provider_name"] == "Local"
    assert fast["priced"] is True
    assert int(fast["input_per_million"]) > 0
    assert (await house.send("GET", "/api/models?refresh=1")).json()["models"] == models


async def test_prices_are_listed_added_and_deleted(house: House):
    listed = await house.get("/api/prices?model=gpt-4o")
    row = next(row for row in listed["rows"] if row["unit"] == "input" and row["tier"] == "standard")
    assert set(row) == {
        "id", "provider", "model", "unit", "tier", "band_from", "effective_from", "picodollars", "per", "source", "own",
    }  # fmt: skip
    assert row["own"] is False
    everything = await house.get("/api/prices")
    assert everything["rows"] == []
    assert "gpt-4o" in everything["models"]
    body = {"model": "llama-9", "unit": "output", "usd_per_million": "0.07"}
    made = await house.send("POST", "/api/prices", body)
    assert made.status == 201
    assert (made.json()["picodollars"], made.json()["per"], made.json()["own"]) == ("70000", 1, True)
    assert (await house.get("/api/prices"))["rows"] == [made.json()]
    assert (await house.get("/api/prices?model=llama-9"))["rows"] == [made.json()]
    assert (await house.send("POST", "/api/prices", body)).status == 409
    where = "/api/prices/" + made.json()["id"].replace("/", "%2F").replace("*", "%2A")
    assert (await house.send("DELETE", where)).status == 204
    assert (await house.send("DELETE", where)).code == "price_not_found"
    built_in = await house.send("DELETE", "/api/prices/" + row["id"].replace("/", "%2F"))
    assert built_in.status == 404


async def test_an_unpriced_call_is_back_filled_when_a_price_arrives(house: House):
    """The simulator's models all have prices, so the call is put into the ledger by hand."""
    opening = OpenEntry(
        id="call_1", surface="web", principal="owner", endpoint="chat/completions", provider_id="provider_gone",
        provider_name="Local", model_requested="llama-9", opened_at=now(), preflight_tokens=40,
        preflight_quality="estimate", preflight_encoding="o200k_base", preflight_lines="[]", messages_sent=1,
    )  # fmt: skip
    settlement = SettleEntry(
        id="call_1", outcome="finished", provenance="reported", raw_usage=None, settled_at=now(),
        usage=Usage(prompt_tokens=41, completion_tokens=909), cost=Cost(None, (), ("llama-9: input has no price",)),
    )  # fmt: skip
    await house.application.store.commit(opening, settlement)
    before = await house.get("/api/entries/call_1/receipt")
    assert (before["cost"], before["unpriced"]) == (None, ["llama-9: input has no price"])
    assert (before["used_tokens"], before["difference"]) == (950, 1)
    for unit in ("input", "output"):
        body = {"model": "llama-9", "unit": unit, "usd_per_million": "1"}
        assert (await house.send("POST", "/api/prices", body)).status == 201
    after = await house.get("/api/entries/call_1/receipt")
    assert (after["cost"], after["unpriced"]) == (str(950 * 1_000_000), [])
    assert sum(int(line["picodollars"]) for line in after["cost_lines"]) == 950 * 1_000_000
    assert [line["price_source"] for line in after["cost_lines"]] == ["own", "own"]


async def test_a_key_never_comes_out(open_house, caplog):
    caplog.set_level("DEBUG")
    house = await open_house({"OPENAI_API_KEY": CANARY + "-env"})
    simulator = await house.application.simulator.start()
    seen = []
    made = await house.send(
        "POST", "/api/providers", {"name": "A", "base_url": simulator, "key": CANARY, "admin_key": CANARY}
    )
    provider_id = made.json()["id"]
    seen.append(made)
    for method, path, body in (
        ("GET", "/api/providers", None),
        ("GET", "/api/bootstrap", None),
        ("GET", "/api/settings", None),
        ("PATCH", f"/api/providers/{provider_id}", {"name": "B", "key": CANARY + "2"}),
        ("PATCH", f"/api/providers/{provider_id}", {"key": CANARY + " two words"}),
        ("PATCH", f"/api/providers/{provider_id}", {"admin_key": CANARY + " two words"}),
        ("PATCH", f"/api/providers/{provider_id}", {"admin_key": CANARY + "2"}),
        ("PATCH", f"/api/providers/{provider_id}", {"key": CANARY, "nothing": 1}),
        ("PATCH", "/api/providers/provider_environment", {"key": CANARY}),
        ("POST", f"/api/providers/{provider_id}/test", None),
        ("POST", "/api/providers/test", {"base_url": simulator, "key": CANARY}),
        ("POST", "/api/providers/test", {"base_url": "http://127.0.0.1:9", "key": CANARY}),
        ("POST", "/api/providers/test", {"base_url": f"http://{CANARY}@x/", "key": CANARY}),
        ("GET", "/api/models", None),
        ("GET", "/metrics", None),
        ("GET", "/readyz", None),
    ):
        seen.append(await house.send(method, path, body))
    asked = await house.ask("Who are you?", room={"provider_id": provider_id, "model": "sim-fault-401"})
    end = await house.finish(asked["run_id"])
    seen.append(await house.send("GET", f"/api/rooms/{asked['room']['id']}"))
    seen.append(await house.send("GET", f"/api/entries/{end['answer']['figures']['entry_id']}/receipt"))
    for answer in seen:
        assert b"sk-canary" not in answer.body, answer.body
        assert "sk-canary" not in json.dumps(answer.headers)
    assert "sk-canary" not in caplog.text
    files = content(house.application.resolved.data_dir)
    assert "talkmeter.db" in files
    assert [name for name, data in files.items() if b"sk-canary" in data] == []


async def test_budgets_are_listed_added_changed_and_deleted(house: House):
    assert await house.get("/api/budgets") == {"budgets": [], "time_zone": "UTC"}
    body = {"name": "Team", "amount": "5 USD", "period": "day", "scope": "tag", "scope_id": "lab"}
    made = await house.send("POST", "/api/budgets", body)
    assert made.status == 201
    budget = made.json()
    start = budget["standing"]["period_start"]
    assert budget == {
        "id": budget["id"],
        "name": "Team",
        "scope": "tag",
        "scope_id": "lab",
        "period": "day",
        "unit": "picodollars",
        "amount": "5000000000000",
        "hard": True,
        "enabled": True,
        "created_at": budget["created_at"],
        "standing": {
            "spent": "0",
            "reserved": "0",
            "remaining": "5000000000000",
            "period_start": start,
            "resets_at": start + 86_400_000_000,
        },
    }
    assert (await house.send("POST", "/api/budgets", body)).code == "budget_name_taken"
    where = f"/api/budgets/{budget['id']}"
    changed = await house.send("PATCH", where, {"amount": "$7", "hard": False})
    assert (changed.status, changed.json()["amount"], changed.json()["hard"]) == (200, "7000000000000", False)
    assert (await house.send("PATCH", where, {"amount": "7 tokens"})).status == 400
    assert [each["id"] for each in (await house.get("/api/budgets"))["budgets"]] == [budget["id"]]
    assert (await house.send("DELETE", where)).status == 204
    assert (await house.send("PATCH", where, {})).code == "budget_not_found"
    assert (await house.send("DELETE", where)).code == "budget_not_found"


async def test_a_budget_is_for_something_that_is_there(house: House):
    body = {"name": "Team", "amount": "5 USD", "period": "day"}
    for scope, code in (
        ("key", "key_not_found"),
        ("user", "user_not_found"),
        ("room", "room_not_found"),
        ("provider", "provider_not_found"),
        ("tag", "invalid_tags"),
    ):
        answer = await house.send("POST", "/api/budgets", {**body, "scope": scope, "scope_id": "a,b"})
        error = answer.json()["error"]
        assert (answer.status in (400, 404), error["code"], error["param"]) == (True, code, "scope_id")
    assert (await house.get("/api/budgets"))["budgets"] == []
    asked = await house.ask("Hello")
    key = (await house.send("POST", "/api/keys", {"name": "app"})).json()["key"]
    for scope, given, scope_id in (
        ("key", "app", key["id"]),
        ("user", "owner", "owner"),
        ("room", asked["room"]["id"], asked["room"]["id"]),
        ("provider", "simulator", "provider_simulator"),
    ):
        made = await house.send("POST", "/api/budgets", {**body, "name": scope, "scope": scope, "scope_id": given})
        assert (made.status, made.json()["scope_id"]) == (201, scope_id)


async def test_a_budget_of_tokens_counts_what_is_asked(house: House):
    body = {"name": "Tokens", "amount": "1000000 tokens", "period": "total"}
    budget = (await house.send("POST", "/api/budgets", body)).json()
    assert (budget["amount"], budget["standing"]["resets_at"]) == (1_000_000, None)
    asked = await house.ask("Something that costs")
    figures = (await house.finish(asked["run_id"]))["answer"]["figures"]
    used = figures["prompt_tokens"] + figures["completion_tokens"]
    standing = (await house.get("/api/budgets"))["budgets"][0]["standing"]
    assert (standing["spent"], standing["reserved"]) == (used, 0)
    assert (await house.send("PATCH", f"/api/budgets/{budget['id']}", {"amount": "1 token"})).status == 200
    asked = await house.ask("Something more")
    answer = (await house.finish(asked["run_id"]))["answer"]
    assert (answer["status"], answer["error"]["code"]) == ("failed", "insufficient_quota")
