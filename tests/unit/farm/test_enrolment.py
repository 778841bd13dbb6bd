"""Codes: one use, half an hour, ten attempts a minute, one answer for everything that does not work."""

import pytest

from farm.enrolment import ATTEMPTS, LIFE_S, MAX_INVITES, Attempts, claim, invite, life_s, new_node
from farm.errors import NotAllowedError, NotFoundError
from farm.keys import hash_token, is_password_hash, verify_password
from scheduler.draft import Draft
from scheduler.model import Farm, Invite

NOW_S = 1_000.0


def fresh() -> Draft:
    return Draft(Farm(generation=1, uptime_s=0.0))


def test_a_code_becomes_a_node_with_a_password_of_its_own() -> None:
    draft = fresh()
    code, made = invite(draft, "Ada", NOW_S)
    node = claim(draft, code, "ada's bench", NOW_S + 10)
    record = draft.farm.node_records[node.record.id]
    assert (record.name, record.joined_at_s, record.revoked) == ("ada's bench", NOW_S + 10, False)
    assert verify_password(node.password, record.password_hash)
    assert draft.farm.invites[made.id].claimed_by == record.id


def test_only_hashes_are_kept() -> None:
    draft = fresh()
    code, made = invite(draft, "", NOW_S)
    node = claim(draft, code, "x", NOW_S)
    assert made.code_hash == hash_token(code)
    assert is_password_hash(node.record.password_hash)
    assert code not in repr(draft.farm)
    assert node.password not in repr(draft.farm)


@pytest.mark.parametrize("typed", ["{}", " {} ", "{}\n"])
def test_a_code_is_read_as_people_type_it(typed: str) -> None:
    draft = fresh()
    code, _ = invite(draft, "", NOW_S)
    assert claim(draft, typed.format(code.lower()), "x", NOW_S).password


def answer(draft: Draft, code: str, now_s: float = NOW_S) -> str:
    with pytest.raises(NotFoundError) as refused:
        claim(draft, code, "x", now_s)
    return f"{refused.value.code} {refused.value}"


def test_unknown_used_and_expired_codes_get_the_same_answer() -> None:
    draft = fresh()
    used, _ = invite(draft, "", NOW_S)
    old, _ = invite(draft, "", NOW_S)
    claim(draft, used, "x", NOW_S)
    nodes = len(draft.farm.node_records)
    answers = {answer(draft, used), answer(draft, "BBBB-BBBB"), answer(draft, "nonsense"), answer(draft, old, NOW_S + LIFE_S + 1)}
    assert len(answers) == 1
    assert len(draft.farm.node_records) == nodes


def test_a_code_works_until_its_last_second() -> None:
    draft = fresh()
    code, _ = invite(draft, "", NOW_S)
    assert claim(draft, code, "x", NOW_S + LIFE_S).password


def test_ten_attempts_a_minute_over_everybody() -> None:
    now_s = 0.0
    attempts = Attempts(lambda: now_s)
    for _ in range(ATTEMPTS):
        attempts.count()
    now_s = 59.9
    with pytest.raises(NotAllowedError) as refused:
        attempts.count()
    assert refused.value.code == "throttled"
    now_s = 60.1
    attempts.count()


def test_a_slow_guesser_is_never_refused() -> None:
    now_s = 0.0
    attempts = Attempts(lambda: now_s)
    for _ in range(100):
        attempts.count()
        now_s += 6.1


def test_waiting_invitations_are_bounded_and_old_ones_forgotten() -> None:
    draft = fresh()
    for number in range(MAX_INVITES):
        draft.put(Invite(f"i{number}", "x", "", NOW_S))
    with pytest.raises(NotAllowedError):
        invite(draft, "", NOW_S)
    invite(draft, "", NOW_S + 1)
    assert len(draft.farm.invites) == MAX_INVITES + 1
    invite(draft, "", NOW_S + 8 * 86_400)
    assert len(draft.farm.invites) == 1


def test_a_given_password_is_used() -> None:
    assert verify_password("given", new_node("people", "People", NOW_S, "given").record.password_hash)


@pytest.mark.parametrize(("factor", "lives_s"), [(1.0, 1800.0), (0.5, 1800.0), (600.0, 1_080_000.0)])
def test_a_code_lives_thirty_real_minutes_whatever_the_clock_does(factor: float, lives_s: float) -> None:
    draft = fresh()
    code, made = invite(draft, "", NOW_S, life_s(factor))
    assert made.expires_at_s == NOW_S + lives_s
    assert claim(draft, code, "eve", NOW_S + lives_s).record.name == "eve"
