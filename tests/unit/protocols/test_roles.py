"""The order of roles, and who has which: by name and by address."""

from __future__ import annotations

import itertools

import pytest

from hil.plant_settings import declare_all
from protocols.accounts import Account, Accounts, parse_address
from protocols.roles import INSTRUCTOR, ROLES, STATION, beyond, highest, may
from rtcore.component import REGISTRY

LAN = "192.168.7."


def account(role: str, *networks: str, password: str = "hash") -> Account:
    from hil.users import parse_network

    return Account(role, password, tuple(map(parse_network, networks)))


def test_a_role_may_what_those_before_it_may_and_no_more() -> None:
    ranks = dict(zip(ROLES, range(4), strict=True))
    assert list(ranks) == ["observer", "operator", "engineer", "instructor"]
    for have, needed in itertools.product(ROLES, ROLES):
        assert may(have, needed) == (ranks[have] >= ranks[needed])


@pytest.mark.parametrize("word", ["", "root", "Instructor", "operator "])
def test_what_is_no_role_may_nothing_and_nobody_reaches_it(word: str) -> None:
    assert not any(may(word, needed) for needed in ROLES)
    assert not any(may(have, word) for have in ROLES)
    assert beyond("instructor", ["operator", word]) == word or word == ""
    assert highest([word]) == "observer"


def test_of_several_needed_roles_the_highest_that_is_not_reached_is_named() -> None:
    assert beyond("observer", ["operator", "instructor", "engineer"]) == "instructor"
    assert beyond("engineer", ["operator", "engineer"]) == ""
    assert beyond("observer", []) == ""


def test_every_role_that_a_component_declares_is_one() -> None:
    declare_all()
    declared = {a.role for spec in REGISTRY.values() for a in spec.attrs if a.role}
    assert declared <= {*ROLES, STATION}
    assert not may(INSTRUCTOR, STATION)  # a user has none of the station's own


def test_a_peer_has_the_highest_role_of_the_users_whose_networks_hold_it() -> None:
    accounts = Accounts(
        {
            "plc": account("operator", f"{LAN}0/24"),
            "ann": account("engineer", f"{LAN}9/32", "fd00::/8"),
            "eve": account("observer", f"{LAN}9/32"),
        }
    )
    wanted = {f"{LAN}1": "operator", f"{LAN}9": "engineer", "fd00::1": "engineer", "10.0.0.1": "observer"}
    assert {host: accounts.role_at(parse_address(host)) for host in wanted} == wanted
    assert accounts.role_at(parse_address(f"::ffff:{LAN}9")) == "engineer"
    assert accounts.role_at(parse_address("no address")) == "observer"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_has_its_own_role_and_a_user_may_raise_it(host: str) -> None:
    address = parse_address(host)
    assert Accounts().role_at(address) == "operator"
    assert [Accounts().role_at(address, role) for role in ROLES] == list(ROLES)
    raised = Accounts({"ann": account("engineer", "127.0.0.0/8", "::1/128")})
    assert raised.role_at(address, "observer") == "engineer"
    assert raised.role_at(address, "instructor") == "instructor"


def test_a_login_counts_as_long_as_the_user_is_there_with_that_password() -> None:
    before = account("engineer")
    accounts = Accounts({"ann": before})
    assert accounts.role_of("ann", before) == "engineer"
    assert accounts.role_of("ann", None) == accounts.role_of(None, before) == "observer"
    accounts.replace({"ann": account("operator")})
    assert accounts.role_of("ann", before) == "operator"
    accounts.replace({"ann": account("engineer", password="another")})
    assert accounts.role_of("ann", before) == "observer"
    accounts.replace({})
    assert accounts.role_of("ann", before) == "observer"
