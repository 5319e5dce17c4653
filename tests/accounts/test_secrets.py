"""Provider keys at rest: sealed to their row, opened by one key only, refused without it."""

import base64
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from talkmeter.accounts.secrets import Sealer, hint_of, load_key, make_key_file, openable, rotate
from talkmeter.accounts.store import ProviderAccount, SaveProvider
from talkmeter.errors import SettingError

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
CANARY = "sk-canary-0123456789abcdef"


def account(sealer, provider_id="provider_1", secret=CANARY):
    return ProviderAccount(
        id=provider_id,
        name=provider_id,
        base_url="https://api.example/v1",
        key=sealer.seal(provider_id, secret),
        enabled=True,
        created_at=1,
    )


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=300))
def test_what_is_sealed_opens_again_and_is_not_readable(secret):
    sealer = Sealer(KEY, "unused")
    sealed = sealer.seal("row", secret)
    assert sealer.open("row", sealed) == secret
    assert len(secret) < 4 or secret.encode() not in sealed.ciphertext


def test_two_seals_of_one_secret_differ(tmp_path):
    sealer = Sealer(KEY, tmp_path / "k")
    first, second = sealer.seal("row", CANARY), sealer.seal("row", CANARY)
    assert first.nonce != second.nonce
    assert first.ciphertext != second.ciphertext


def test_a_ciphertext_fits_no_other_row_no_other_key_and_no_change(tmp_path):
    sealer = Sealer(KEY, tmp_path / "k")
    sealed = sealer.seal("row", CANARY)
    flipped = bytes([sealed.ciphertext[0] ^ 1]) + sealed.ciphertext[1:]
    for opener, row, what in [
        (sealer, "other", sealed),
        (Sealer(OTHER_KEY, tmp_path / "k"), "row", sealed),
        (sealer, "row", replace(sealed, ciphertext=flipped)),
    ]:
        with pytest.raises(SettingError) as caught:
            opener.open(row, what)
        assert caught.value.code == "key_wrong"
        assert "forget-keys" in caught.value.hint


def test_without_the_key_a_start_with_sealed_keys_is_refused(tmp_path):
    sealed = account(Sealer(KEY, tmp_path / "k"))
    keyless = Sealer(load_key(None, tmp_path / "absent"), tmp_path / "absent")
    keyless.check([replace(sealed, key=None)])
    with pytest.raises(SettingError, match="is missing") as caught:
        keyless.check([sealed])
    assert "absent" in caught.value.message
    assert not (tmp_path / "absent").exists()


def test_the_first_seal_makes_a_key_file_for_its_owner_only(tmp_path):
    file = tmp_path / "deep" / "talkmeter.key"
    sealer = Sealer(load_key(None, file), file)
    sealed = sealer.seal("row", CANARY)
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Sealer(load_key(None, file), file).open("row", sealed) == CANARY


def test_an_existing_key_file_is_never_overwritten(tmp_path):
    file = tmp_path / "k"
    file.write_text("something")
    with pytest.raises(SettingError, match="cannot be made"):
        make_key_file(file)
    assert file.read_text() == "something"


def test_the_setting_goes_before_the_file(tmp_path):
    file = tmp_path / "k"
    from_file = make_key_file(file)
    assert load_key(None, file) == from_file
    assert load_key(base64.b64encode(KEY).decode(), file) == KEY


def test_a_key_file_that_others_can_read_is_told(tmp_path, caplog):
    file = tmp_path / "k"
    key = make_key_file(file)
    assert load_key(None, file) == key
    assert not caplog.records
    file.chmod(0o640)
    assert load_key(None, file) == key
    assert [record.message for record in caplog.records] == ["key_file_open_to_others"]


@pytest.mark.parametrize("text", ["", "short", base64.b64encode(b"31 bytes are one too few......").decode(), "é"])
def test_what_is_no_key_is_refused(tmp_path, text):
    file = tmp_path / "k"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingError, match="is not an encryption key"):
        load_key(None, file)
    with pytest.raises(SettingError, match="encryption_key"):
        load_key(text, file)


def test_a_key_that_reads_the_books_is_never_taken_for_one_that_calls(tmp_path):
    sealer = Sealer(KEY, tmp_path / "k")
    sealed = sealer.seal("row", CANARY, "admin key")
    assert sealer.open("row", sealed, "admin key") == CANARY
    with pytest.raises(SettingError):
        sealer.open("row", sealed)
    with pytest.raises(SettingError):
        sealer.open("row", sealer.seal("row", CANARY), "admin key")


def test_an_account_is_kept_without_the_keys_that_do_not_open(tmp_path):
    sealer, other = Sealer(KEY, tmp_path / "k"), Sealer(OTHER_KEY, tmp_path / "k")
    whole = replace(account(sealer), admin_key=sealer.seal("provider_1", CANARY, "admin key"))
    sealer.check([whole])
    assert openable(whole, sealer) == whole
    half = replace(whole, admin_key=other.seal("provider_1", CANARY, "admin key"))
    with pytest.raises(SettingError):
        sealer.check([half])
    assert openable(half, sealer) == replace(whole, admin_key=None)
    assert openable(whole, other) == replace(whole, key=None, admin_key=None)


async def test_rotation_seals_every_key_anew_in_one_step(store, tmp_path):
    old, new = Sealer(KEY, tmp_path / "old"), Sealer(OTHER_KEY, tmp_path / "new")
    await store.commit(SaveProvider(account(old, "provider_1", "sk-first-0123456789")))
    await store.commit(SaveProvider(account(old, "provider_2", "sk-second-0123456789")))
    await store.commit(SaveProvider(replace(account(old, "provider_3"), key=None)))
    only_admin = replace(account(old, "provider_4"), key=None, admin_key=old.seal("provider_4", CANARY, "admin key"))
    await store.commit(SaveProvider(only_admin))
    assert await rotate(store, old, new) == 3
    kept = {row.id: row for row in await store.providers()}
    assert new.open("provider_1", kept["provider_1"].key) == "sk-first-0123456789"
    assert new.open("provider_2", kept["provider_2"].key) == "sk-second-0123456789"
    assert new.open("provider_4", kept["provider_4"].admin_key, "admin key") == CANARY
    with pytest.raises(SettingError):
        await rotate(store, old, new)


def test_a_short_key_gives_no_hint():
    assert hint_of("ollama") == ""
    assert hint_of(CANARY) == "cdef"


def test_no_repr_shows_a_key(tmp_path):
    sealer = Sealer(KEY, tmp_path / "k")
    shown = f"{sealer} {account(sealer)}"
    assert CANARY not in shown
    assert base64.b64encode(KEY).decode() not in shown
