"""AT-41: strangers, guesses and lock-outs; and who is let in by a code."""

from __future__ import annotations

import itertools
import random
import re
import stat
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from hermes import HermesError, UsageError
from hermes.testing import give
from hermes_plugin_access import codes
from hermes_plugin_access.commands import pairing
from hermes_plugin_access.pairing import ASKED, Pairing

CODE = re.compile(r"\b[A-HJ-NP-Z2-9]{8}\b")


def code_in(notice: str) -> str:
    found = CODE.findall(notice.splitlines()[0]) if notice else []
    return str(found[0]) if found else ""


async def code_for(door: Any, user: str) -> str:
    return code_in((await door.say(user=user)).notice)


async def test_strangers_get_a_code_an_hour_at_most_and_never_reach_a_model(
    make_door: Any, clock: Any
) -> None:
    door, chosen = make_door(), random.Random(41)
    given, answered = [], []
    for _ in range(1000):  # over about eight hours
        user = str(chosen.randrange(20))
        admission = await door.say(
            chosen.choice(["Hello", "/new", "K7QX2MPA", "x" * 5000]), user=user
        )
        assert admission.outcome == "refused"
        if admission.notice:
            answered.append((user, clock.now))
        if code_in(admission.notice):
            given.append((user, clock.now))
        clock.now += chosen.uniform(0, 60)
    assert door.admitted == []
    assert len(given) >= 10
    for times, least in ((given, 3600), (answered, 600)):
        for user in {user for user, _ in times}:
            mine = [at for who, at in times if who == user]
            assert all(b - a >= least for a, b in itertools.pairwise(mine)), user
    for _, at in given:
        assert sum(at - 3600 < other <= at for _, other in given) <= 3, "three at a time"


@pytest.mark.parametrize(
    "settings",
    [
        {"allow": {"telegram": [1]}},
        {"allow": {"discord": [1]}},
        {"owners": {"telegram": [1]}},
        {"guests": {"slack": "7"}},
        {"groups": {"telegram": [-1]}},
        {"variables": {"TELEGRAM_ALLOWED_USERS": "1"}},
        {"variables": {"GATEWAY_ALLOWED_USERS": "1"}},
        {"variables": {"TELEGRAM_GROUP_ALLOWED_CHATS": "-1"}},
        {"unauthorized_dm_behavior": "ignore"},
        {"top": {"unauthorized_dm_behavior": "ignore"}},
    ],
)
async def test_where_a_list_exists_anywhere_strangers_hear_nothing(
    make_door: Any, settings: dict[str, Any]
) -> None:
    door = make_door(**settings)
    for number in range(50):
        admission = await door.say(user=str(100 + number))
        assert (admission.outcome, admission.notice) == ("refused", "")
    assert not (door.context.paths.data / "pairing.json").exists()


async def test_what_is_said_for_the_platform_counts_before_all_else(make_door: Any) -> None:
    said = {"telegram": "pair", "discord": "ignore"}
    door = make_door(allow={"telegram": [1]}, unauthorized_dm_behavior=said)
    assert await code_for(door, "2")
    assert not (await door.say(user="2", platform="discord")).notice
    assert not (await make_door().say(user="2", platform="email")).notice


async def test_groups_hear_nothing(make_door: Any) -> None:
    admission = await make_door().say(user="2", chat="-100", group=True)
    assert (admission.outcome, admission.notice) == ("refused", "")


async def test_a_code_lets_its_person_in_and_nobody_else(make_door: Any) -> None:
    door = make_door()
    code = await code_for(door, "42")
    said = await give(pairing, "approve", "telegram", f" {code.lower()} ", context=door.commander())
    assert said.text == "telegram 42 (Person 42) may talk to Hermes now, as user."
    assert (await door.say(user="42")).outcome == "admitted"
    assert (await door.say(user="42")).outcome == "admitted"  # the second message, too
    assert (await door.say(user="43")).outcome == "refused"
    assert (await door.say(user="42", platform="discord")).outcome == "refused"
    with pytest.raises(HermesError, match="nobody on telegram waits"):
        await give(pairing, "approve", "telegram", code, context=door.commander())
    gone = await give(pairing, "revoke", "telegram", "42", context=door.commander())
    assert "may not talk" in gone.text
    assert (await door.say(user="42")).outcome == "refused"
    with pytest.raises(UsageError, match="not let in by pairing"):
        await give(pairing, "revoke", "telegram", "42", context=door.commander())


@pytest.mark.parametrize("role", ["guest", "user", "owner"])
async def test_whoever_is_let_in_has_the_role_that_was_given(make_door: Any, role: str) -> None:
    door = make_door()
    code = await code_for(door, "42")
    await give(pairing, "approve", "telegram", code, "--role", role, context=door.commander())
    await door.say(user="42")
    assert [one.role for one in door.admitted] == [role]


async def test_the_list_shows_what_approve_takes(make_door: Any) -> None:
    door = make_door()
    await door.say(user="42", name="Eve\x1b[2J\n")
    listed = await give(pairing, "list", context=door.commander())
    assert listed.text == "waits     telegram 42 (Eve?[2J?) (60 min left)"
    _, platform, what, *_ = listed.text.split()
    await give(pairing, "approve", platform, what, context=door.commander())
    assert (await door.say(user="42")).outcome == "admitted"
    listed = await give(pairing, context=door.commander())
    assert listed.text == "approved  telegram 42 (Eve?[2J?) as user since 2025-06-15"


async def test_after_five_guesses_good_codes_are_refused_too_for_an_hour(
    make_door: Any, clock: Any
) -> None:
    door = make_door()
    good = await code_for(door, "42")
    for number in range(1000):
        with pytest.raises(HermesError, match="locked" if number >= 4 else "nobody"):
            await give(pairing, "approve", "telegram", f"AAAA{number:04}", context=door.commander())
    for given in (good, "42"):
        with pytest.raises(HermesError, match="locked for 60 min, good codes too"):
            await give(pairing, "approve", "telegram", given, context=door.commander())
    assert not (await door.say(user="43")).notice, "nor is any given out"
    assert "locked" in (await give(pairing, context=door.commander())).text
    clock.now += 3599
    with pytest.raises(HermesError, match="locked"):
        await give(pairing, "approve", "telegram", good, context=door.commander())
    clock.now += 2
    again = await code_for(door, "42")
    assert again
    await give(pairing, "approve", "telegram", again, context=door.commander())


async def test_a_lock_is_one_platforms_and_a_success_does_not_take_back_guesses(
    make_door: Any, clock: Any
) -> None:
    door = make_door()
    good, other = await code_for(door, "42"), await door.say(user="7", platform="discord")
    for number in range(4):
        with pytest.raises(HermesError, match="nobody"):
            await give(pairing, "approve", "telegram", f"wrong{number}", context=door.commander())
    await give(pairing, "approve", "telegram", good, context=door.commander())
    with pytest.raises(HermesError, match="locked"):
        await give(pairing, "approve", "telegram", "wrong", context=door.commander())
    code = code_in(other.notice)
    await give(pairing, "approve", "discord", code, context=door.commander())
    clock.now += 4000
    with pytest.raises(HermesError, match="nobody"):
        await give(pairing, "approve", "telegram", "wrong", context=door.commander())


async def test_a_code_is_good_for_an_hour(make_door: Any, clock: Any) -> None:
    door = make_door()
    code = await code_for(door, "42")
    clock.now += 3601
    with pytest.raises(HermesError, match="nobody"):
        await give(pairing, "approve", "telegram", code, context=door.commander())


async def test_three_wait_at_a_time_and_clearing_makes_room(make_door: Any, clock: Any) -> None:
    door = make_door()
    first = [await door.say(user=str(user)) for user in range(5)]
    assert [bool(code_in(one.notice)) for one in first] == [True, True, True, False, False]
    assert first[3].notice == "Too many pairing requests right now. Please try again later."
    cleared = await give(pairing, "clear-pending", "telegram", context=door.commander())
    assert cleared.text == "3 codes cleared."
    assert not (await door.say(user="3")).notice, "answered a moment ago"
    clock.now += 601
    assert await code_for(door, "3")
    assert (await door.say(user="0")).notice.startswith("I have given you a code already")


async def test_a_flood_of_strangers_is_answered_up_to_a_limit(make_door: Any) -> None:
    door = make_door()
    notices = [(await door.say(user=str(user))).notice for user in range(ASKED + 100)]
    assert sum(bool(notice) for notice in notices) == ASKED
    assert len(door.access.pairing.doors()["telegram"].asked) == ASKED


async def test_codes_are_kept_as_hashes_in_a_file_of_ones_own(make_door: Any) -> None:
    door = make_door()
    code = await code_for(door, "42")
    folder = door.context.paths.data
    kept = (folder / "pairing.json").read_text()
    assert code not in kept
    assert stat.S_IMODE((folder / "pairing.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert code not in door.context.log.text


def test_codes_are_even_and_unambiguous() -> None:
    made = [codes.new() for _ in range(2000)]
    letters = Counter("".join(code for code, _ in made))
    assert set(letters) == set(codes.ALPHABET)
    assert not set("IO01") & set(letters)
    assert len(codes.ALPHABET) == 32
    assert max(letters.values()) < 2 * min(letters.values())
    assert len({sealed.salt for _, sealed in made}) == 2000
    code, sealed = made[0]
    assert sealed.opens_with(code.lower())
    assert not sealed.opens_with(made[1][0])
    assert not sealed.opens_with("\ud800")


REQUEST = """
import sys
from pathlib import Path
from hermes_plugin_access.pairing import Pairing
pairing = Pairing(Path(sys.argv[1]))
for number in range(20):
    pairing.request(f"platform-{sys.argv[2]}-{number}", "1", "Eve")
"""


async def test_two_processes_do_not_lose_each_others_changes(make_door: Any) -> None:
    folder = make_door().context.paths.data
    both = [
        subprocess.Popen([sys.executable, "-c", REQUEST, str(folder), name]) for name in ("a", "b")
    ]
    assert [process.wait() for process in both] == [0, 0]
    assert len(Pairing(folder).doors()) == 40
