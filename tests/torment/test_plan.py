"""The same seed does the same things at the same moments."""

from collections import Counter

from tests.torment.plan import PRINTERS, PROCESSES, ROUND_S, Kind, plan
from tests.torment.stage import NODES
from tests.torment.tormentor import DEEDS


def test_a_seed_is_a_plan() -> None:
    assert plan(7, 20) == plan(7, 20)
    assert plan(7, 20) != plan(8, 20)


def test_a_longer_plan_begins_like_a_shorter_one() -> None:
    assert plan(7, 20)[:5] == plan(7, 5)


def test_every_kind_of_fault_comes_and_has_a_deed() -> None:
    kinds = Counter(act.kind for acts in plan(1, 200) for act in acts)
    assert set(kinds) == set(Kind)
    assert set(DEEDS) == set(Kind)


def test_every_round_orders_something_and_breaks_something() -> None:
    for acts in plan(3, 50):
        assert sum(act.kind is Kind.ORDER for act in acts) == 1
        assert len(acts) >= 3
        assert [act.at_s for act in acts] == sorted(act.at_s for act in acts)
        assert all(0 <= act.at_s <= ROUND_S and act.for_s >= 0 for act in acts)


def test_the_targets_are_there() -> None:
    assert set(PROCESSES) == {"daemon", *NODES}
    assert sum(map(len, NODES.values())) == PRINTERS


def test_an_act_reads_like_a_sentence() -> None:
    acts = [str(act) for acts in plan(1, 50) for act in acts]
    assert any(text.endswith(" s") and " kill daemon for " in text for text in acts)
