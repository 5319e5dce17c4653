"""No secret comes out anywhere: keys, the password, sessions and links are pushed through every path, and afterwards
neither the database nor its log, neither a log line nor a page, neither the figures nor a backup has one of them.
"""

import asyncio
import base64
import secrets
import tarfile

from support import books
from support.browser import Browser
from support.folders import content
from support.parrot import SAYS, Parrot
from support.processes import command, start_server
from talkmeter.accounts.secrets import Sealer, load_key
from talkmeter.accounts.store import SealedKey


def canary(kind):
    """A secret of a kind, in the alphabet of such secrets. Its middle is what is looked for: a cut one counts too."""
    return f"{kind}-canary-{secrets.token_hex(16)}"


def traces(secret):
    """The forms in which a secret could lie somewhere."""
    middle = secret[len(secret) // 2 - 10 : len(secret) // 2 + 6]
    forms = {middle.encode(), middle.encode("utf-16-le"), middle.encode().hex().encode()}
    return forms | {base64.b64encode(secret.encode()[skip:])[2:-4] for skip in range(3)}


def places_with(secret, found):
    return [place for place, data in found.items() if any(trace in data for trace in traces(secret))]


def replies_of(browser):
    """Everything that the server has said, heads included."""
    return {
        f"{number} {path}": repr(sorted(reply.headers.items())).encode() + reply.body
        for number, (path, reply) in enumerate(browser.seen)
    }


async def use(browser, base_url, key):
    """Everything that can be done with a provider and its key."""
    name = secrets.token_hex(4)
    about = {"name": name, "base_url": base_url, "key": key, "admin_key": f"{key}-admin"}
    made = await browser.send("POST", "/api/providers", about)
    assert made.status == 201
    id_ = made.json()["id"]
    assert (made.json()["key_hint"], made.json()["admin_key_hint"]) == (f"…{key[-4:]}", "…dmin")
    await browser.send("POST", f"/api/providers/{id_}/test")
    await browser.send("POST", "/api/providers/test", {"base_url": base_url, "key": key})
    asked = await browser.ask("hello", room={"model": "any-model", "provider_id": id_})
    events = await browser.send("GET", f"/api/runs/{asked['run_id']}/events")
    assert events.body.count(b"event: started") == 1
    await browser.get(f"/api/rooms/{asked['room']['id']}")
    for entry in (await browser.get(f"/api/rooms/{asked['room']['id']}"))["messages"]:
        await browser.get(f"/api/entries/{entry['figures']['entry_id']}/receipt")
    await browser.send("PATCH", f"/api/providers/{id_}", {"key": key, "name": name + "2"})
    return id_


async def misuse(browser, key):
    """The key where it does not belong."""
    for body in (
        {"name": "x", "base_url": f"http://{key}@localhost/v1"},
        {"name": "x", "base_url": f"http://me:{key}@localhost/v1", "key": key},
        {"name": "x", "base_url": f"http://localhost/v1?key={key}"},
        {"name": "x", "api_key": key},
        {"name": ["x"], "key": key},
        {"name": "x", "key": {"value": key}},
        {"name": "x", "key": f"{key} {key}"},
        {"name": "x", "admin_key": f"{key} {key}"},
        {"name": "x", "key": f"{key}\n"},
        {"name": "x", "key": key * 500},
    ):
        await browser.send("POST", "/api/providers", body)
        await browser.send("POST", "/api/providers/test", body)
    await browser.send("POST", "/api/providers", data=f'{{"key": "{key}', headers={"Content-Type": "application/json"})
    await browser.send("GET", f"/api/rooms?cursor={key}")
    await browser.send("GET", "/api/providers", headers={"Authorization": f"Bearer {key}"})
    await browser.send("POST", "/api/sign-in", {"password": key})
    await browser.send("POST", "/api/sign-in", {"passwort": key})


async def look_at_everything(browser):
    for path in (
        *("/", "/healthz", "/readyz", "/metrics", "/api/session", "/api/bootstrap", "/api/settings"),
        *("/api/providers", "/api/models?refresh=1", "/api/rooms", "/api/prices", "/api/prices?model=gpt-4o"),
    ):
        await browser.send("GET", path)


async def test_no_secret_comes_out(tmp_path):
    keys = {kind: canary("sk") + "/Ab9" * (kind == "escaped-401") for kind in SAYS}
    wrong = {
        url: canary("sk") for url in ("http://127.0.0.1:1/v1", "http://nowhere.invalid/v1", "https://localhost:1/v1")
    }
    odd, unprefixed, from_environment = canary("sk"), secrets.token_hex(24), canary("sk")
    password, wrong_password = canary("pw"), canary("no")
    data_dir = tmp_path / "data"
    said = [command("password", "--data-dir", str(data_dir), typed=f"{password}\n")]
    assert said[0].returncode == 0
    async with Parrot() as parrot:
        server = await asyncio.to_thread(
            lambda: start_server(data_dir, parrot.url("json-401"), key=from_environment, flags=("--log-level", "debug"))
        )
        try:
            async with (
                Browser(server.url, remember=True) as browser,
                Browser(server.url) as second,
                Browser(server.url, remember=True) as outside,
            ):
                cookie = await browser.sign_in(server.link)
                for body in ({"password": wrong_password}, {"password": password, "more": password}):
                    assert (await outside.send("POST", "/api/sign-in", body)).status in (400, 401)
                assert (
                    (await outside.send("GET", f"/sign-in?token={server.token}"))
                    .headers["location"]
                    .endswith("expired")
                )
                assert (await second.send("POST", "/api/sign-in", {"password": password})).status == 204
                link = await asyncio.to_thread(command, "link", "--data-dir", str(data_dir))
                unused = link.stdout.strip().partition("token=")[2]
                assert len(unused) > 20
                providers = {key: await use(browser, parrot.url(kind), key) for kind, key in keys.items()}
                providers |= {key: await use(browser, url, key) for url, key in wrong.items()}
                providers |= {unprefixed: await use(browser, parrot.url("stream-error"), unprefixed)}
                asked = await browser.ask("hello", room={"model": "m", "provider_id": "provider_environment"})
                await browser.send("GET", f"/api/runs/{asked['run_id']}/events")
                await misuse(browser, odd)
                await look_at_everything(browser)
                await look_at_everything(outside)
                backup = await asyncio.to_thread(
                    command, "backup", str(tmp_path / "backup.tar"), "--data-dir", str(data_dir)
                )
                assert backup.returncode == 0, backup.stderr
                doctor = await asyncio.to_thread(command, "doctor", "--data-dir", str(data_dir))
                books_of = ["--from", "2026-01-01", "--provider", providers[keys["json-401"]]]
                read = await asyncio.to_thread(command, "reconcile", *books_of, "--data-dir", str(data_dir))
                assert "401" in read.stderr, "it has quoted the admin key"
                said += [backup, doctor, read]
                cookies = [cookie, second.cookie]
            assert parrot.heard == {*keys.values(), from_environment, unprefixed, f"{keys['json-401']}-admin"}
        finally:
            server.kill()  # so that its write-ahead log is still there to be searched
    assert (data_dir / "talkmeter.db-wal").stat().st_size > 0
    with tarfile.open(tmp_path / "backup.tar") as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    found = {name: data for name, data in content(tmp_path).items() if not name.endswith(".ballast")}
    found |= replies_of(browser) | {f"o {path}": text for path, text in replies_of(outside).items()}
    found |= {f"printed {number}": (one.stdout + one.stderr).encode() for number, one in enumerate(said)}
    assert b'"level": "debug"' in found["data.log"]
    never = [*keys.values(), *wrong.values(), odd, unprefixed, from_environment, password, wrong_password]
    leaks = {secret: places_with(secret, found) for secret in [*never, *cookies, server.token, unused]}
    kinds = {key: kind for kind, key in keys.items()} | {key: url for url, key in wrong.items()}
    leaked = [f"{kinds.get(secret, secret)}: {place}" for secret, places in leaks.items() for place in places]
    assert not leaked, "\n".join(leaked)
    check_sealed(data_dir, tmp_path / "copy", providers)


def check_sealed(data_dir, copy, providers):
    """What was looked for is there all the same: sealed, and ours to open."""
    with books.reading_a_copy(data_dir, copy) as left:
        rows = {row["id"]: row for row in books.rows(left, "SELECT * FROM providers")}
    key_file = data_dir / "talkmeter.key"
    sealer = Sealer(load_key(None, key_file), key_file)
    for key, id_ in providers.items():
        row = rows[id_]
        assert sealer.open(id_, SealedKey(row["key_nonce"], row["key_ciphertext"], row["key_hint"])) == key
        admin_key = SealedKey(row["admin_key_nonce"], row["admin_key_ciphertext"], row["admin_key_hint"])
        assert sealer.open(id_, admin_key, "admin key") == f"{key}-admin"
