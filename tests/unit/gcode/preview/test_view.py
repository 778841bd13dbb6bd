"""Projections: right way up, true to scale, nothing outside the picture."""

from math import cos, radians, sin

import numpy as np
import pytest

from gcode.preview.view import VIEWS, view_of


@pytest.mark.parametrize("name", VIEWS)
def test_the_axes_of_a_view_are_square_to_each_other_and_of_unit_length(name: str) -> None:
    view = view_of(name)
    axes = np.stack([view.right, view.up, view.towards])
    assert axes @ axes.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.cross(view.right, view.up) == pytest.approx(view.towards), "not a mirror image"


def test_from_above_x_goes_right_and_y_goes_up() -> None:
    view = view_of("top")
    assert view.pixel(3, 0) == (3, 0)
    assert view.pixel(0, 3) == (0, -3)
    assert view.pixel(1, 1, 50) == view.pixel(1, 1, 0)


def test_obliquely_what_is_higher_or_further_back_is_higher_in_the_picture() -> None:
    view = view_of("isometric")
    assert view.pixel(0, 0, 10)[1] < view.pixel(0, 0, 0)[1]
    assert view.pixel(0, 10, 0)[1] < view.pixel(0, 0, 0)[1]
    assert view.pixel(10, 0, 0)[0] > view.pixel(0, 0, 0)[0]


def test_obliquely_the_front_right_corner_of_the_bed_is_the_nearest() -> None:
    """By 32 degrees round and 38 down: both sides of a square are seen, the right one more steeply."""
    view = view_of("isometric")
    right, back = view.pixel(100, 0), view.pixel(0, 100)
    assert right == pytest.approx((100 * cos(radians(32)), 100 * sin(radians(32)) * sin(radians(38))))
    assert back == pytest.approx((100 * sin(radians(32)), -100 * cos(radians(32)) * sin(radians(38))))
    assert view.pixel(0, 0, 100) == pytest.approx((0, -100 * cos(radians(38))), abs=1e-9)
    corners = [(0, 0, 0), (100, 0, 0), (0, 100, 0), (100, 100, 0)]
    assert max(corners, key=lambda corner: float(np.array(corner) @ view.towards)) == (100, 0, 0)


@pytest.mark.parametrize("name", VIEWS)
def test_a_fitted_view_fills_its_area(name: str) -> None:
    box = [(x, y, z) for x in (0.0, 190.0) for y in (10.0, 150.0) for z in (0.0, 20.0)]
    places = view_of(name).fitted(box, (20, 30, 620, 430)).pixels(np.array(box))
    (left, top), (right, bottom) = places.min(axis=0), places.max(axis=0)
    assert min(left - 20, top - 30, 620 - right, 430 - bottom) >= -1e-6
    assert min(left - 20, top - 30) == pytest.approx(0, abs=1e-6), "as large as it may be"
    assert left - 20 == pytest.approx(620 - right)
    assert top - 30 == pytest.approx(430 - bottom)


def test_a_point_fits_too() -> None:
    assert view_of("top").fitted([(5, 5, 5)], (0, 0, 100, 100)).pixel(5, 5, 5) == pytest.approx((50, 50))


def test_a_smaller_picture_of_the_same() -> None:
    view = view_of("isometric").fitted([(0, 0, 0), (100, 80, 30)], (10, 10, 500, 400))
    large, small = view.pixel(40, 50, 6), view.shrunk(2).pixel(40, 50, 6)
    assert small == pytest.approx((large[0] / 2, large[1] / 2))
