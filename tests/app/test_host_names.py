"""By which names a server is called."""

from types import SimpleNamespace

import pytest

from talkmeter.app.host_names import hosts_of, is_everywhere, nameless


def getting(host="localhost", *allowed):
    return {"host": host, "allowed_hosts": allowed}.__getitem__


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("localhost", ()),
        ("192.0.2.2", ("192.0.2.2",)),
        ("127.0.0.2", ("127.0.0.2",)),
        ("Box.LAN.", ("box.lan",)),
        ("2001:DB8:0::2", ("[2001:db8::2]",)),
        ("[2001:db8::2]", ("[2001:db8::2]",)),
        ("0.0.0.0", ()),
        ("::", ()),
        ("[::]", ()),
    ],
)
def test_what_is_listened_on_is_a_name_unless_it_is_everything(host, names):
    assert hosts_of(getting(host), None) == names


def test_names_that_are_set_and_those_of_the_certificate_count_too():
    tls = SimpleNamespace(facts=SimpleNamespace(hosts=("chat.example",)))
    get = getting("192.0.2.2", "Other.example", "2001:db8::2")
    assert hosts_of(get, tls) == ("192.0.2.2", "other.example", "[2001:db8::2]", "chat.example")


def test_all_addresses_without_a_name_is_pointed_out():
    tls = SimpleNamespace(facts=SimpleNamespace(hosts=("chat.example",)))
    assert nameless(getting("0.0.0.0"), None)
    assert nameless(getting("::"), None)
    assert not nameless(getting("0.0.0.0", "192.0.2.2"), None)
    assert not nameless(getting("0.0.0.0"), tls)
    assert not nameless(getting("192.0.2.2"), None)
    assert not is_everywhere("localhost")
