"""What slicers mark: layers, kinds of lines, pictures."""

import pytest

from gcode.marks import feature_name, layer_mark, object_mark, picture_mark


@pytest.mark.parametrize(
    ("comment", "kind", "rank"),
    [
        ("LAYER_CHANGE", "LAYER_CHANGE", 3),
        ("CHANGE_LAYER", "CHANGE_LAYER", 3),
        ("LAYER:0", "LAYER", 3),
        ("LAYER:-2", "LAYER", 3),
        ("BEGIN_LAYER_OBJECT z=0.3500", "BEGIN_LAYER", 3),
        ("AFTER_LAYER_CHANGE", "AFTER_LAYER_CHANGE", 2),
        ("layer 1, Z = 0.200", "layer", 1),
        ("layer 12", "layer", 1),
    ],
)
def test_a_layer_mark(comment: str, kind: str, rank: int) -> None:
    assert layer_mark(comment) == (kind, rank)


@pytest.mark.parametrize(
    "comment",
    [
        "LAYER_COUNT:14",
        "BEFORE_LAYER_CHANGE",
        "layer_height = 0.2",
        "layer num/total_layer_count: 1/50",
        "LAYER:x",
        "layer end",
        "",
    ],
)
def test_no_layer_mark(comment: str) -> None:
    assert layer_mark(comment) is None


@pytest.mark.parametrize(
    ("comment", "name"),
    [
        ("TYPE:External perimeter", "External perimeter"),
        ("TYPE:WALL-INNER", "WALL-INNER"),
        ("FEATURE: Outer wall", "Outer wall"),
        ("feature outer perimeter", "outer perimeter"),
        ("'Perimeter Path', 0.6 [feed mm/s], 18.2 [head mm/s]", "Perimeter Path"),
        ("TYPE:", None),
        ("TYPE:" + "x" * 99, "x" * 40),
        ("TYPE:a\x1b[2Jb", "a[2Jb"),
        ("'tis a comment", None),
        ("WIDTH:0.42", None),
    ],
)
def test_the_kind_of_line_that_follows(comment: str, name: str | None) -> None:
    assert feature_name(comment) == name


@pytest.mark.parametrize(
    ("comment", "mark"),
    [
        ("thumbnail begin 220x124 12345", ("png", 220, 124, 12345)),
        ("thumbnail_JPG begin 16x16 99", ("jpg", 16, 16, 99)),
        ("thumbnail_QOI begin 16x16 99", ("qoi", 16, 16, 99)),
        ("thumbnail end", None),
        ("thumbnail begin 999999x1 5", None),
        ("thumbnail begin 1x1 -5", None),
        ("thumbnail_GIF begin 1x1 5", None),
    ],
)
def test_where_a_picture_begins(comment: str, mark: tuple[str, int, int, int] | None) -> None:
    assert picture_mark(comment) == mark


@pytest.mark.parametrize(
    ("comment", "part"),
    [
        ("printing object Shape-Box id:0 copy 0", "Shape-Box id:0 copy 0"),
        ("printing object a b.stl id:12 copy 3", "a b.stl id:12 copy 3"),
        ("stop printing object Shape-Box id:0 copy 0", None),
        ("printing object Shape-Box", None),
        ("printing object  id:x copy 0", None),
        ("printing object Shape-Box id:0 copy 0 ", None),
        ("", None),
    ],
)
def test_which_part_is_printed(comment: str, part: str | None) -> None:
    assert object_mark(comment) == part
