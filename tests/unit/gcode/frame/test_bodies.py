"""Solids of frames: watertight as the file holds them (32-bit floats), with the volume of their layers."""

import builtins
from typing import Any

import pytest

from gcode.frame import FrameDesign, FrameError, Plate, frame_stl
from gcode.frame.bodies import frame_levels, manifold_is_installed, standoff_bars
from gcode.frame.geometry import signed_area
from gcode.frame.headband import frame_layers
from tests.unit.gcode.frame.mesh import assert_watertight, parsed, volume_mm3
from tests.unit.gcode.samples import profile

DESIGNS = {
    "standard": FrameDesign(),
    "short, two pins": FrameDesign(holes="iso838", head_depth_mm=120),
    "square edges": FrameDesign(skin_radius_mm=0),
    "american, fine layers": FrameDesign(holes="us3", layer_height_mm=0.2),
    "no hooks": FrameDesign(hooks=False),
}


def layers_mm3(design: FrameDesign) -> float:
    areas = (abs(signed_area(shape.outline)) - abs(signed_area(shape.window_outline)) for shape in frame_layers(design))
    return sum(areas) * design.layer_height_mm


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_one_frame(design: FrameDesign) -> None:
    triangles = parsed(frame_stl(design))
    assert_watertight(triangles)
    assert volume_mm3(triangles) == pytest.approx(layers_mm3(design), rel=0.005)
    heights = {round(corner[2], 3) for triangle in triangles for corner in triangle}
    assert min(heights) == 0
    assert max(heights) == pytest.approx(design.printed_height_mm)


def test_a_slicer_finds_our_outlines_in_the_middle_of_each_layer() -> None:
    design = FrameDesign()
    levels = {round(level.z_mm, 3): level for level in frame_levels(design)}
    for layer, shape in enumerate(frame_layers(design)):
        middle = round((layer + 0.5) * design.layer_height_mm, 3)
        if middle in levels:
            for point, same in zip(levels[middle].outline, shape.outline, strict=True):
                assert point == pytest.approx(same, abs=1e-5)
            assert signed_area(levels[middle].outline) == pytest.approx(signed_area(shape.outline), abs=0.01)
    assert len(levels) > 6


def test_a_plain_body_has_no_more_sections_than_it_needs() -> None:
    assert len(frame_levels(FrameDesign(skin_radius_mm=0))) == 2


def test_a_plate_has_as_many_bodies_as_frames_apart_from_each_other() -> None:
    design = FrameDesign(holes="iso838")
    one, two = parsed(frame_stl(design)), parsed(frame_stl(design, Plate(count=2), profile("generic-300")))
    assert_watertight(two)
    assert len(two) == 2 * len(one)
    assert volume_mm3(two) == pytest.approx(2 * volume_mm3(one), rel=1e-4)
    xs = [corner[0] for triangle in two for corner in triangle]
    assert min(xs) > 0
    assert max(xs) < 300


def test_a_plate_needs_to_know_its_bed() -> None:
    with pytest.raises(FrameError, match="need a printer's profile") as caught:
        frame_stl(FrameDesign(), Plate(count=2))
    assert caught.value.parameter == "count"


def without_manifold(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def importing(name: str, *rest: Any, **more: Any) -> Any:
        if name == "manifold3d":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", importing)


def test_a_stack_without_manifold_is_its_bodies_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    without_manifold(monkeypatch)
    assert not manifold_is_installed()
    design, plate = FrameDesign(), Plate(stack=3)
    triangles = parsed(frame_stl(design, plate))
    bars = 2 * sum(volume_mm3(bar) for bar in standoff_bars(design, plate))
    assert volume_mm3(triangles) == pytest.approx(3 * layers_mm3(design) + bars, rel=0.005)
    assert max(corner[2] for triangle in triangles for corner in triangle) == pytest.approx(3 * 4.8 + 2 * 0.25)


def test_letters_without_manifold_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    without_manifold(monkeypatch)
    with pytest.raises(FrameError, match=r"pip install 'essaim\[solid\]'") as caught:
        frame_stl(FrameDesign(revision="R3"))
    assert caught.value.parameter == "revision"
    assert "essaim[solid]" in caught.value.bilingual.fr


@pytest.mark.real
def test_a_stack_is_one_watertight_solid() -> None:
    pytest.importorskip("manifold3d")
    design, plate = FrameDesign(), Plate(stack=2)
    triangles = parsed(frame_stl(design, plate))
    assert_watertight(triangles)
    bars = sum(volume_mm3(bar) for bar in standoff_bars(design, plate))
    assert volume_mm3(triangles) == pytest.approx(2 * layers_mm3(design) + bars, rel=0.005)


@pytest.mark.real
def test_letters_are_in_the_solid() -> None:
    pytest.importorskip("manifold3d")
    plain, lettered = FrameDesign(), FrameDesign(revision="R3")
    triangles = parsed(frame_stl(lettered))
    assert_watertight(triangles)
    assert volume_mm3(triangles) == pytest.approx(layers_mm3(lettered), rel=0.005)
    assert volume_mm3(triangles) > layers_mm3(plain) + 3
    heights = {round(corner[2], 3) for triangle in triangles for corner in triangle}
    assert (min(heights), max(heights)) == (0, 4.8)


@pytest.mark.real
def test_a_stack_with_letters_keeps_its_gap() -> None:
    pytest.importorskip("manifold3d")
    design, plate = FrameDesign(revision="7"), Plate(stack=2)
    triangles = parsed(frame_stl(design, plate))
    assert_watertight(triangles)
    bars = sum(volume_mm3(bar) for bar in standoff_bars(design, plate))
    assert volume_mm3(triangles) == pytest.approx(2 * layers_mm3(design) + bars, rel=0.005)
