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


def test_the_fans_are_those_that_docs_gcode_md_tells() -> None:
    """And those of PrusaSlicer's bundle of 2022 (max_fan_speed, bridge_fan_speed, disable_fan_first_layers); layers from 0 here."""
    told = {name: (found.fan, found.bridge_fan, found.fan_from_layer) for name, found in MATERIALS.items()}
    assert told["PLA"] == (1.0, 1.0, 1)
    assert told["PETG"] == (0.4, 0.5, 3)
    assert told["ABS"] == told["ASA"] == (0.0, 0.25, 3)
    assert {found.max_flow_mm3_s for name, found in MATERIALS.items() if name not in {"PP", "TPU"}} == {8.0}
    assert MATERIALS["TPU"].max_flow_mm3_s < MATERIALS["PP"].max_flow_mm3_s < 8.0, "soft filament is pressed slowly"
