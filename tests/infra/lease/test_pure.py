"""The provider's pure parts: the table of states, the contract, differences, values, waits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import PropertyDiffKind

from infra.lease.contract import Hardware, shortfalls, unverified, version
from infra.lease.difference import changes, difference
from infra.lease.errors import BmcFailing, BmcRefused, ForbiddenTransition, LeaseError
from infra.lease.inputs import contract
from infra.lease.model import system_id
from infra.lease.password import ALPHABET, create, faults
from infra.lease.provider import _within
from infra.lease.retry import Patience, pause_s, persist
from infra.lease.server import input_faults, place_of
from infra.lease.states import TRANSITIONS, State, step
from infra.properties import plain_map, property_map
from tests.infra import plans

PLAIN = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def test_every_state_is_reached_from_the_order_and_ends_in_the_return() -> None:
    assert set(TRANSITIONS) == set(State)

    def reached(start: State) -> set[State]:
        seen, waiting = {start}, [start]
        while waiting:
            for following in TRANSITIONS[waiting.pop()] - seen:
                seen.add(following)
                waiting.append(following)
        return seen

    assert reached(State.ORDERED) == set(State)
    assert all(State.RETURNED in reached(state) for state in State)


@given(st.sampled_from(State), st.sampled_from(State))
def test_the_table_alone_decides(now: State, to: State) -> None:
    if now is to or to in TRANSITIONS[now]:
        assert step("s", now, to) is to
    else:
        with pytest.raises(ForbiddenTransition, match="From"):
            step("s", now, to)


def test_nothing_is_returned_before_it_is_erased() -> None:
    sources = {state for state, following in TRANSITIONS.items() if State.RETURNED in following}
    assert sources == {State.ERASED, State.ORDERED}


CONTRACT = contract(plans.SKU)
MET = Hardware(cores=32, memory_gib=256, disk_gb=(960.2, 960.2), nic_macs=("a", "b"), nic_gbit_s=(25, 25), bios="1")


def test_what_meets_the_contract_or_exceeds_it_is_accepted() -> None:
    assert shortfalls(CONTRACT, MET) == ()
    more = Hardware(cores=64, memory_gib=512, disk_gb=(1920,) * 4, nic_macs=("a",) * 4, nic_gbit_s=(100,) * 4)
    assert shortfalls(CONTRACT, more) == ()
    assert unverified(MET) == ()


@given(st.integers(0, 64), st.integers(0, 512), st.lists(st.floats(1, 4000), min_size=1, max_size=6), st.integers(1, 4))
def test_a_shortfall_exactly_where_there_is_less(cores: int, memory: int, disks: list[float], nics: int) -> None:
    found = Hardware(cores=cores, memory_gib=memory, disk_gb=tuple(disks), nic_macs=("m",) * nics)
    said = " / ".join(shortfalls(CONTRACT, found))
    assert ("cores" in said) == (cores < 32)
    assert ("memory" in said) == (memory < 256)
    assert ("disks instead" in said) == (len(disks) < 2)
    assert ("smaller" in said) == any(size < 960 * 0.99 for size in sorted(disks)[-2:])
    assert ("interfaces instead" in said) == (nics < 2)


def test_silence_is_told_and_is_no_shortfall() -> None:
    assert shortfalls(CONTRACT, Hardware()) == ()
    assert len(unverified(Hardware())) == 6
    assert "0 disks instead of 2" in shortfalls(CONTRACT, Hardware(disk_gb=()))
    assert "0 network interfaces instead of 2" in shortfalls(CONTRACT, Hardware(nic_macs=()))


def test_firmware_is_compared_by_its_numbers() -> None:
    assert version("2.9") < version("2.10") < version("2.10.1") == version("v2.10.1"[1:])
    assert version("1.4.2-rc1") > version("1.4.1")
    least = CONTRACT.model_copy(update={"bios": "1.10"})
    assert shortfalls(least, MET.model_copy(update={"bios": "1.9"})) == ("BIOS 1.9 instead of 1.10 or later",)
    assert shortfalls(least, MET.model_copy(update={"bios": "1.10"})) == ()
    assert "Critical" in shortfalls(CONTRACT, MET.model_copy(update={"health": "Critical"}))[0]


@given(PLAIN, PLAIN)
def test_no_difference_exactly_between_equals(old: Any, new: Any) -> None:
    assert (not list(changes(old, new))) == (old == new)
    assert not list(changes(old, old))


@given(st.dictionaries(st.sampled_from("abc"), PLAIN), st.dictionaries(st.sampled_from("abc"), PLAIN))
def test_replacing_properties_replace_and_ignored_ones_do_not_count(old: dict[str, Any], new: dict[str, Any]) -> None:
    answer = difference(old, new, {"a"}, {"b"})
    a_differs = old.get("a") != new.get("a") or ("a" in old) != ("a" in new)
    c_differs = old.get("c") != new.get("c") or ("c" in old) != ("c" in new)
    assert answer.replaces == (["a"] if a_differs else [])
    assert answer.delete_before_replace == a_differs
    assert answer.changes == (a_differs or c_differs)
    assert not any(path.startswith("b") for path in answer.detailed_diff)
    replacing = {PropertyDiffKind.ADD_REPLACE, PropertyDiffKind.UPDATE_REPLACE, PropertyDiffKind.DELETE_REPLACE}
    assert all((diff.kind in replacing) == path.startswith("a") for path, diff in answer.detailed_diff.items())


@given(PLAIN)
def test_values_come_back_as_they_went(value: Any) -> None:
    assert plain_map(property_map({"a": value})) == ({} if value is None else {"a": value})


def test_secrets_unknowns_and_engine_properties() -> None:
    made = property_map({"a": "x", "b": None, "__own": 1}, frozenset({"a"}))
    theirs = PropertyValue.unmarshal_map(made)
    assert theirs["a"] == PropertyValue("x", is_secret=True)
    assert "b" not in theirs
    assert plain_map(made) == {"a": "x"}


@given(st.integers(1, 200), st.floats(0, 0.999))
def test_waits_grow_to_a_bound(attempt: int, share: float) -> None:
    patience = Patience()
    wait = pause_s(attempt, patience, share)
    assert patience.first_pause_s / 2 <= wait <= patience.longest_pause_s
    assert pause_s(attempt + 1, patience, share) >= wait


def test_persist_repeats_what_may_pass_and_nothing_else() -> None:
    patience = Patience(first_pause_s=0.001, longest_pause_s=0.002)
    calls: list[int] = []

    async def passing() -> str:
        calls.append(1)
        if len(calls) < 4:
            raise BmcFailing("s", "https://bmc", 500)
        return "done"

    said: list[str] = []
    assert asyncio.run(persist(passing, patience, 10, said.append)) == "done"
    assert len(calls) == 4
    assert len(said) == 3

    async def refused() -> None:
        calls.append(1)
        raise BmcRefused("s", "https://bmc", 401)

    with pytest.raises(BmcRefused):
        asyncio.run(persist(refused, patience, 10, said.append))
    assert len(calls) == 5


def test_ids_are_addresses_of_systems() -> None:
    place = place_of("https://10.20.0.33/redfish/v1/Systems/1")
    assert (place.url, place.system) == ("https://10.20.0.33", "1")
    assert place_of(system_id(place)) == place
    for wrong in (
        "primary-worker-01",
        "http://10.20.0.33/redfish/v1/Systems/1",
        "https://10.20.0.33/redfish/v1/Systems/",
    ):
        with pytest.raises(Exception, match="Redfish system"):
            place_of(wrong)


def test_input_faults_are_listed_with_their_paths() -> None:
    found = dict(input_faults({"server": "x", "bmc": {"url": "http://plain", "system": ""}, "colour": "red"}))
    assert {"environment", "sku", "bmc.url", "bmc.system", "colour"} <= set(found)


@given(st.integers(16, 128))
def test_passwords_are_of_their_length_and_alphabet(length: int) -> None:
    made = create({"length": length})["result"]
    assert len(made) == length
    assert set(made) <= set(ALPHABET)


def test_passwords_differ_and_wrong_lengths_are_faults() -> None:
    assert len({create({})["result"] for _ in range(50)}) == 50
    assert faults({"length": 4}) != []
    assert faults({"size": 20}) != []


def test_a_resource_may_have_a_time_limit_of_its_own() -> None:
    with pytest.raises(LeaseError, match=r"primary-worker-01: was not done within 0\.01 s"):
        asyncio.run(_within(0.01, "urn:pulumi:x.fleet::oss::lease:index:Server::primary-worker-01", asyncio.sleep(30)))
    assert asyncio.run(_within(0, "urn::x", asyncio.sleep(0, "done"))) == "done"
