"""Who asks: a user, with the key that spoke for them if one did."""

from msgspec import Struct

from talkmeter.accounts.store import ApiKey, Role

OWNER = "owner"  # the first owner's id
LOCAL = "local"  # who asks without a key, from this machine


class Principal(Struct, frozen=True, kw_only=True):
    """user_id: what rooms, runs and ledger entries keep. key: None for a browser."""

    user_id: str
    role: Role
    key: ApiKey | None = None


LOCAL_PRINCIPAL = Principal(user_id=LOCAL, role="owner")  # of this machine, like the person at it
