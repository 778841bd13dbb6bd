"""What is said before a backup takes the place of the database, in both languages."""

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from farm.commands.restore_told import named, what_will_happen
from farm.daemon.restore import Census, Restoration
from gcode.texts import Bilingual

THEN = Census(generation=3, open_orders=1, orders=2, good_parts=30, jobs=7, nodes={"n1": "atelier"})
NOW = replace(THEN, orders=5, nodes={"n1": "atelier", "n2": "garage"})


def told(now: Census | None) -> list[Bilingual]:
    restoration = SimpleNamespace(then=THEN, now=now, made_at_s=1_700_000_000.0)
    return list(what_will_happen(cast("Restoration", restoration), 1_700_000_000.0 + 3 * 86_400))


def test_what_will_happen_over_a_farm_is_told_in_french() -> None:
    french = [line.fr for line in told(NOW)]
    assert french[:8] == [
        "La sauvegarde a été faite il y a 3 j 0 h (2023-11-14 22:13 UTC).",
        "  commandes ouvertes : 1 dans la sauvegarde, 1 maintenant",
        "  commandes : 2 dans la sauvegarde, 5 maintenant",
        "  impressions : 7 dans la sauvegarde, 7 maintenant",
        "  bonnes pièces collectées : 30 dans la sauvegarde, 30 maintenant",
        "Ces nœuds racontent de nouveau ce qu'ils ont fait depuis, dès qu'on les entend : atelier.",
        "Ce qu'ils ne peuvent pas raconter :",
        "- ces nœuds ont rejoint la ferme depuis, et doivent la rejoindre de nouveau : garage ;",
    ]
    assert "d'après la base actuelle" in french[-1]


def test_over_nothing_more_is_lost() -> None:
    lines = told(None)
    assert Bilingual("  orders: 2 in the backup", "  commandes : 2 dans la sauvegarde") in lines
    french = "\n".join(line.fr for line in lines)
    assert "Il n'y a pas de base ici" in french
    assert "les nœuds qui ont rejoint la ferme depuis doivent la rejoindre de nouveau" in french
    assert lines[-1].fr.endswith("tout cela est à refaire.")


@pytest.mark.parametrize("now", [None, THEN, NOW])
def test_every_line_is_in_both_languages_and_a_list_ends_as_one(now: Census | None) -> None:
    for line in told(now):
        assert line.en != line.fr
        assert line.en[-1] == line.fr[-1] or line.en[-1].isalnum()


TEN = "n00, n01, n02, n03, n04, n05, n06, n07, n08, n09"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, Bilingual("none", "aucun")),
        (2, Bilingual("n00, n01", "n00, n01")),
        (10, Bilingual(TEN, TEN)),
        (12, Bilingual(f"{TEN} and 2 more", f"{TEN} et 2 de plus")),
    ],
)
def test_many_names_are_counted(count: int, text: Bilingual) -> None:
    assert named(f"n{number:02}" for number in reversed(range(count))) == text
