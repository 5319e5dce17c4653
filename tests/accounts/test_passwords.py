"""The owner's password: argon2id, checked the same way whether or not it is set, slowed down after wrong tries."""

import pytest

from talkmeter.accounts import passwords as module
from talkmeter.accounts.passwords import FREE_TRIES, LONGEST_WAIT, Passwords, Tries
from talkmeter.errors import BadInput, TooManyTries


class Seconds:
    def __init__(self):
        self.at = 100.0

    def __call__(self):
        return self.at


@pytest.fixture
def seconds():
    return Seconds()


@pytest.fixture
def passwords(store, seconds):
    return Passwords(store, seconds)


async def test_set_and_verify(passwords, store):
    assert not await passwords.is_set()
    await passwords.set("correct horse 배터리")
    assert await passwords.is_set()
    assert await passwords.verify("correct horse 배터리", "here")
    assert not await passwords.verify("correct horse 배터", "here")
    stored = (await store.credentials("owner")).hashed
    assert stored.startswith("$argon2id$")
    assert "horse" not in stored


async def test_without_a_password_the_same_work_is_done(passwords, monkeypatch):
    checked = []
    real = module._matches

    def spy(hashed, password):
        checked.append(hashed)
        return real(hashed, password)

    monkeypatch.setattr(module, "_matches", spy)
    assert not await passwords.verify("anything", "here")
    await passwords.set("the real one")
    assert await passwords.verify("the real one", "here")
    parameters = [hashed.split("$")[1:4] for hashed in checked]
    assert parameters[0] == parameters[1]


async def test_a_removed_password_opens_nothing(passwords):
    await passwords.set("the real one")
    await passwords.remove()
    assert not await passwords.is_set()
    assert not await passwords.verify("the real one", "here")


@pytest.mark.parametrize("password", ["", "1234567", "x" * 1025])
async def test_too_short_and_too_long_are_refused(passwords, password):
    with pytest.raises(BadInput, match="8 to 1024"):
        await passwords.set(password)
    assert not await passwords.is_set()


async def test_a_long_password_counts_to_its_last_character(passwords):
    await passwords.set("x" * 1023 + "y")
    assert not await passwords.verify("x" * 1024, "here")
    assert await passwords.verify("x" * 1023 + "y", "here")


def test_wrong_tries_make_their_source_wait_and_nobody_else(seconds):
    tries = Tries(seconds)
    for _ in range(FREE_TRIES):
        tries.check("a")
        tries.note("a", right=False)
    with pytest.raises(TooManyTries) as caught:
        tries.check("a")
    assert 1 <= caught.value.details["retry_after"] <= 2
    tries.check("b")
    seconds.at += 1.1
    tries.check("a")


def test_the_wait_doubles_up_to_its_limit_and_a_right_one_ends_it(seconds):
    tries = Tries(seconds)
    waits = []
    for _ in range(FREE_TRIES + 14):
        tries.note("a", right=False)
        try:
            tries.check("a")
        except TooManyTries as error:
            waits.append(error.details["retry_after"])
        seconds.at += LONGEST_WAIT + 1
    assert waits[:4] == [2, 3, 5, 9]
    assert waits[-1] == LONGEST_WAIT + 1
    tries.note("a", right=True)
    tries.note("a", right=False)
    tries.check("a")


def test_the_memory_for_sources_is_bounded(seconds, monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED_SOURCES", 10)
    tries = Tries(seconds)
    for number in range(50):
        tries.note(str(number), right=False)
    assert len(tries._wrong) == 10
