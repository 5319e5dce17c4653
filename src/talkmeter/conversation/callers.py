"""Whose a call is: what budgets and rate limits go by, and whether the key that asks may still ask."""

from talkmeter.accounts.keys import Keys, check_model
from talkmeter.accounts.principals import Principal
from talkmeter.accounts.store import ApiKey
from talkmeter.accounts.users import Users
from talkmeter.messages import Run
from talkmeter.metering.admission import RateLimit, Whose


class Callers:
    def __init__(self, users: Users, keys: Keys) -> None:
        self._users = users
        self._keys = keys

    def whose(self, principal: Principal, tags: tuple[str, ...] = ()) -> Whose:
        """The user and, if a key spoke for them, the one from which a rotated key was made."""
        return self._of(principal.user_id, principal.key, tags)

    def check(self, principal: Principal, model: str) -> None:
        """Raises InvalidKey or Forbidden where the principal's key may not, or no longer, ask this model."""
        if principal.key is not None:
            check_model(self._keys.usable(principal.key.id), model)

    def of_run(self, run: Run, model: str) -> Whose:
        """For a run that is about to be sent, however long it has waited. Raises as check does."""
        if run.key_id is None:
            return self._of(run.principal, None, run.tags)
        key = self._keys.usable(run.key_id)
        check_model(key, model)
        return self._of(run.principal, key, run.tags)

    def _of(self, user_id: str, key: ApiKey | None, tags: tuple[str, ...]) -> Whose:
        if key is None:
            return Whose(user_id=user_id, tags=tags)
        key_id, user = self._keys.first_id(key), self._users.get(key.user_id)
        rates = tuple(
            RateLimit(id_, one.rpm, one.tpm)
            for id_, one in ((key_id, key), (user.id, user))
            if one.rpm is not None or one.tpm is not None
        )
        return Whose(user_id=user.id, key_id=key_id, tags=tags, rates=rates)
