"""Cooling by material."""

from dataclasses import replace

import pytest

from gcode.frame.materials import MATERIALS, material_of
from tests.unit.gcode.samples import profile


def test_the_first_material_of_a_profile_is_the_one_its_temperatures_are_for() -> None:
    assert material_of(replace(profile(), materials=("PETG", "PLA"))).name == "PETG"
    assert material_of(replace(profile(), materials=("petg",))).name == "PETG"
    assert material_of(replace(profile(), materials=("Unobtainium",))).name == "PLA"
    assert material_of(replace(profile(), materials=())).name == "PLA"


@pytest.mark.parametrize("material", MATERIALS.values(), ids=lambda material: material.name)
def test_no_fan_blows_on_the_first_layer(material: object) -> None:
    found = MATERIALS[getattr(material, "name")]  # noqa: B009 - the fixture's type is wide
    assert found.fan_from_layer >= 1
    assert 0 <= found.fan <= found.bridge_fan <= 1
    assert 0 < found.max_flow_mm3_s <= 15


def test_what_warps_is_cooled_less() -> None:
    assert MATERIALS["ABS"].fan < MATERIALS["PETG"].fan < MATERIALS["PLA"].fan
