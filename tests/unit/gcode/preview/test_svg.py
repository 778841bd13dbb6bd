"""The drawing as SVG: well-formed, harmless, true to size, bounded."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcode.preview import preview_svg, svg
from gcode.preview.scenery import PreviewError
from gcode.profile import Box, bundled_profiles
from tests.unit.gcode.preview.plates import START, stream, tower

SVG = "{http://www.w3.org/2000/svg}"
PROFILE = bundled_profiles()["generic-210"]


def drawn(text: str, **options: object) -> ET.Element:
    return ET.fromstring(preview_svg(stream(text), **options))  # type: ignore[arg-type]  # options of preview_svg


def paths(root: ET.Element) -> list[str]:
    """Of the plastic: those that are used by name."""
    used = {use.attrib["href"].removeprefix("#") for use in root.iter(f"{SVG}use")}
    return [path.attrib["d"] for path in root.iter(f"{SVG}path") if path.attrib.get("id") in used]


def words(root: ET.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def test_a_square_is_a_square_in_hundredths_of_a_millimetre() -> None:
    assert paths(drawn(tower(2), layer=2)) == ["M4000 4000l2000 0 0 2000 -2000 0 0 -2000"]


def test_lines_have_their_true_width() -> None:
    """1 mm of filament on 20 mm of path, 0.2 mm high: about 0.64 mm wide."""
    widths = [float(use.attrib["stroke-width"]) for use in drawn(tower(1), layer=1).iter(f"{SVG}use")]
    assert max(widths) == pytest.approx(64, abs=2)


def test_layers_that_hide_each_other_are_drawn_once() -> None:
    assert len("".join(paths(drawn(tower(50))))) < 3 * len("".join(paths(drawn(tower(1)))))


def test_from_above_the_higher_comes_later() -> None:
    high, low = ";TYPE:Skirt/Brim\nG1 X5 Y5 Z2\nG1 X50 Y5 E2\n", ";TYPE:External perimeter\nG1 X5 Y9 Z0.2\nG1 X50 Y9 E2\n"
    assert paths(drawn(START + high + low)) == ["M500 900l4500 0", "M500 500l4500 0"]


def test_the_legend_names_what_is_drawn_with_its_share() -> None:
    text = tower(1) + ";TYPE:Internal infill\nG1 X60 Y60 E4\n"
    assert {"outer wall 50 %", "infill 50 %"} <= set(words(drawn(text)))
    assert {"paroi extérieure 50 %", "remplissage 50 %"} <= set(words(drawn(text, language="fr")))


@pytest.mark.parametrize(("language", "label"), [("en", "0.5 mm"), ("fr", "0,5 mm")])
def test_a_scale_of_half_a_millimetre_has_a_comma_in_french(language: str, label: str) -> None:
    tiny = START + ";TYPE:Perimeter\nG1 X50 Y50 Z0.2\nG1 X50.2 Y50 E0.1\n"
    assert label in words(drawn(tiny, language=language))


def test_the_words_tell_layer_and_size() -> None:
    said = words(drawn(tower(3), layer=2, language="fr"))
    assert said[0] == "couche 2 sur 3"
    assert said[1] == "z 0,40 mm · 20 × 20 mm"
    assert words(drawn(tower(3)))[:2] == ["20 × 20 × 0.6 mm", "3 layers"]


def test_travels_are_dashed_and_named() -> None:
    root = drawn(tower(1), layer=1, travels=True)
    assert "travel" in words(root)
    assert any("stroke-dasharray" in use.attrib and use.attrib["stroke-width"] == "12" for use in root.iter(f"{SVG}use"))
    assert "travel" not in words(drawn(tower(1), layer=1))


def test_kinds_of_line_differ_in_more_than_colour() -> None:
    dashes = {
        name: {use.attrib.get("stroke-dasharray") for use in drawn(tower(1, feature=name), layer=1).iter(f"{SVG}use")}
        for name in ("External perimeter", "Perimeter", "Internal infill", "Support material")
    }
    assert dashes["External perimeter"] == {None}
    assert len({frozenset(value) for value in dashes.values()}) == 4


def test_bed_and_keep_out_areas() -> None:
    profile = replace(PROFILE, keep_out=(Box(10, 20, 0, 30, 50, 5),))
    boxes = [rect.attrib for rect in drawn(tower(1), profile=profile).iter(f"{SVG}rect")]
    assert any((box.get("x"), box.get("y"), box["width"], box["height"]) == ("1000", "2000", "2000", "3000") for box in boxes)
    assert any(box["width"] == "21000" and "stroke" in box for box in boxes)


def test_hostile_names_stay_text() -> None:
    name = "<script>alert('x')</script>&amp;\"' onload=1\x1b\u202e"
    content = preview_svg(stream(START + f";TYPE:{name}\nG1 X10 Y10 Z0.2\nG1 X60 Y10 E1\n"))
    root = ET.fromstring(content)
    assert b"<script" not in content
    assert not {element.tag.removeprefix(SVG) for element in root.iter()} - {
        *("svg", "title", "defs", "pattern", "path", "rect", "g", "use", "text"),
    }
    for element in root.iter():
        assert not [key for key in element.attrib if key.startswith("on") or "style" in key]
        assert all(value.startswith("#") for key, value in element.attrib.items() if key.endswith("href"))
    assert not re.search(rb"[\x00-\x09\x0b-\x1f]", content)
    assert "\u202e" not in content.decode()
    assert not re.search(rb"https?://(?!www\.w3\.org/2000/svg)", content)


def test_it_stays_small_whatever_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(svg, "MAX_POINTS", 300)
    body = "".join(f"G1 X{n % 200} Y{n * 7 % 190}.5 E0.1\n" for n in range(3000))
    content = preview_svg(stream(START + "G1 Z0.2\n" + body))
    assert len(content) < 20_000
    assert b"<use" in content


def test_a_cloud_of_short_lines_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing joins and there is one layer only."""
    monkeypatch.setattr(svg, "MAX_POINTS", 100)
    body = "".join(f"G1 X{n % 50 * 4} Y{n // 50 * 4}\nG1 X{n % 50 * 4 + 2} E0.1\n" for n in range(2000))
    assert sum(path.count("l") for path in paths(drawn(START + "G1 Z0.2\n" + body))) <= 100


def test_the_same_program_gives_the_same_bytes() -> None:
    assert preview_svg(stream(tower(3))) == preview_svg(stream(tower(3)))


def test_nothing_printed() -> None:
    assert words(drawn(START))[0] == "nothing is printed here"
    assert words(drawn("", profile=PROFILE, language="fr"))[0] == "rien n'est imprimé ici"


def test_refusals() -> None:
    with pytest.raises(PreviewError, match="no layer 9"):
        preview_svg(stream(tower(2)), layer=9)
    with pytest.raises(PreviewError, match="limits"):
        preview_svg(stream(tower(2)), width_px=10)


def test_coordinates_beyond_all_beds() -> None:
    root = drawn(START + "G1 X-900000 Y900000 Z0.2\nG1 X900000 Y-900000 E2.5\n", profile=PROFILE)
    assert float(root.attrib["height"]) < 2000


Segment = tuple[int, int, int, int]  # hundredths of a millimetre
ends = st.tuples(st.integers(-300, 400), st.integers(-300, 400))
walks = st.lists(st.tuples(st.booleans(), ends, st.sampled_from(("External perimeter", "Skirt/Brim"))), min_size=1, max_size=12)


def segments(root: ET.Element) -> list[Segment]:
    """The lines that the paths of the plastic draw, in their order."""
    found: list[Segment] = []
    for path in paths(root):
        for piece in re.findall(r"M(-?\d+) (-?\d+)l([-\d ]+)", path):
            x, y = int(piece[0]), int(piece[1])
            steps = [int(word) for word in piece[2].split()]
            for dx, dy in zip(steps[::2], steps[1::2], strict=True):
                found.append((x, y, x + dx, y + dy))
                x, y = x + dx, y + dy
    return found


def walked(walk: list[tuple[bool, tuple[int, int], str]], z: float, e: float = 0.4) -> tuple[str, list[Segment]]:
    """Tenths of a millimetre: lines where plastic is laid, jumps where not; and the lines."""
    text, laid, at = f"G1 X0 Y0 Z{z}\n", [], (0, 0)
    for lays, (x, y), kind in walk:
        text += f";TYPE:{kind}\nG1 X{x / 10} Y{y / 10}" + (f" E{e}\n" if lays else "\n")
        if lays and (x, y) != at:
            laid.append((at[0] * 10, at[1] * 10, x * 10, y * 10))
        elif lays:
            text = text.removesuffix(f" E{e}\n") + "\n"
        at = (x, y)
    return text, laid


@settings(max_examples=40)
@given(walks)
def test_each_line_of_a_layer_is_drawn_where_it_lies_and_nothing_else(walk: list[tuple[bool, tuple[int, int], str]]) -> None:
    text, laid = walked(walk, 0.2)
    if laid:
        assert segments(drawn(START + ";LAYER_CHANGE\n" + text, layer=1)) == laid


@settings(max_examples=40)
@given(walks, walks)
def test_of_the_whole_part_each_place_is_drawn_and_the_higher_later(
    low: list[tuple[bool, tuple[int, int], str]], high: list[tuple[bool, tuple[int, int], str]]
) -> None:
    """Only what has the same line above it is left out."""
    (first, below), (second, above) = walked(low, 0.2), walked(high, 0.4)
    found = segments(drawn(START + ";LAYER_CHANGE\n" + first + ";LAYER_CHANGE\n" + second))
    assert set(found) == {*below, *above}
    last = {line: number for number, line in enumerate([*below, *above])}
    assert found == sorted(last, key=last.__getitem__)


@pytest.mark.parametrize("width_px", [200, 960])
@pytest.mark.parametrize("volume", [Box(0, 0, 0, 210, 210, 200), Box(-110, -90, 0, 60, 210, 200)])
def test_the_bed_fills_the_width_between_words_and_legend(volume: Box, width_px: int) -> None:
    """By the numbers of the transformation: Y goes up in the file and down in the picture."""
    root = drawn(tower(1), profile=replace(PROFILE, volume=volume), width_px=width_px)
    transform = next(group.attrib["transform"] for group in root.iter(f"{SVG}g") if "transform" in group.attrib)
    left, top, right, down = (float(word) for word in re.findall(r"-?\d+\.\d+", transform))
    assert right == -down > 0
    spots = [
        (left + x * 100 * right, top + y * 100 * down) for x in (volume.min_x, volume.max_x) for y in (volume.min_y, volume.max_y)
    ]
    assert (min(x for x, _ in spots), max(x for x, _ in spots)) == pytest.approx((24, width_px - 24), abs=3)
    assert min(y for _, y in spots) == pytest.approx(64, abs=3)
    assert float(root.attrib["height"]) > max(y for _, y in spots)
    assert root.attrib["viewBox"] == f"0 0 {width_px} {root.attrib['height']}"


def test_the_legend_has_its_own_place_for_every_kind() -> None:
    kinds = ("Perimeter", "External perimeter", "Internal infill", "Solid infill", "Top solid infill", "Bridge infill", "Gap fill")
    text = START + ";LAYER_CHANGE\nG1 Z0.2\n"
    text += "".join(f";TYPE:{kind}\nG1 X{10 + 9 * n} Y{10 + 7 * n} E1\n" for n, kind in enumerate(kinds))
    root = drawn(text, width_px=500)
    entries = [entry.attrib for entry in root.iter(f"{SVG}text") if (entry.text or "").endswith(" %")]
    places = [(float(entry["x"]), float(entry["y"])) for entry in entries]
    assert len(set(places)) == len(kinds)
    assert len({x for x, _ in places}) == 2, "two columns in 500 px"
    assert all(24 < x < 500 for x, _ in places)
    bottom = float(root.attrib["height"])
    assert all(bottom - 120 < y < bottom for _, y in places)
    assert places == sorted(places, key=lambda place: (place[1], place[0])), "row by row"


def test_the_scale_is_as_long_as_it_says() -> None:
    root = drawn(tower(1), profile=PROFILE, width_px=960)
    bar = next(path.attrib["d"] for path in root.iter(f"{SVG}path") if re.fullmatch(r"M[\d.]+ 38v10M.*", path.attrib["d"]))
    left, right = float(re.findall(r"M([\d.]+) ", bar)[0]), float(bar.rpartition("H")[2])
    (said,) = [float(word.removesuffix(" mm")) for word in words(root) if re.fullmatch(r"[\d.]+ mm", word)]
    assert (right - left) / said == pytest.approx((960 - 48) / 211, rel=0.01)
    assert right == 960 - 24
    assert said == 20


def test_lines_of_two_widths_are_drawn_apart() -> None:
    text = START + ";LAYER_CHANGE\nG1 Z0.2\n;TYPE:Perimeter\nG1 X0 Y0\nG1 X20 E0.6\n;LAYER_CHANGE\nG1 Z0.4\nG1 Y20\nG1 X40 E1.4\n"
    widths = [float(use.attrib["stroke-width"]) for use in drawn(text).iter(f"{SVG}use")]
    assert len({round(width) for width in widths}) == 4, "edge and body of each"
