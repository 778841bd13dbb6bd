"""The shape of a visor frame, layer by layer: outlines, and the lines that fill them.

One band: a front arc that holds the sheet, a forehead band, two arms with hooks. Every layer has the same skeleton. What differs is
how far its faces step back: the skin side is rounded (nothing overhangs by more than 45 degrees), letters stand out of the arm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from math import cos, hypot, pi, sin
from typing import Final

from gcode.frame.design import FrameDesign, letter_height_mm, skin_inset_mm
from gcode.frame.errors import FrameError
from gcode.frame.geometry import GeometryError, Point, Polyline, cubic, distance, kept
from gcode.frame.lettering import STROKE_MM, text_row, text_width_mm
from gcode.frame.strokes import Band, Edge, Track, opened, rings, with_detours
from gcode.texts import Bilingual

_STEP_MM: Final = 0.5
_HOOK_STEPS: Final = 10
_SKELETON_ERROR_MM: Final = 0.05  # all lines follow the same polyline, so this is nowhere a gap
_SOFT_RAMP_MM: Final = 6.0  # the rounding of the skin side begins at the temple and ends at the hook over this length
_ARM_END_SHARE: Final = 0.82  # the arms come nearer to each other towards the back of the head
_TIP_BULGE_MM: Final = 0.45
_LETTER_STEP_MM: Final = 0.2
_LETTER_HEIGHT_MM: Final = 0.4  # how far letters stand out
_LETTERS_BEGIN_MM: Final = 14.0  # from the fork: beside an outer pin
_SEAM_MM: Final = (12.0, 20.0)  # from the middle of the front, in turn: seams of two layers never lie on one another
_SAME_MM: Final = 1e-6
_STEEPEST: Final = 0.9  # of the layer height a letter may grow outwards from layer to layer: 42 degrees


@dataclass(frozen=True, slots=True)
class Way:
    """What is drawn in one go: tracks one after another with short steps between them."""

    tracks: tuple[Track, ...]
    is_external: bool


@dataclass(frozen=True, slots=True)
class LayerShape:
    """One layer of a frame around the origin: its two outlines, and the ways that fill it from the window across to the outside."""

    outline: Polyline
    window_outline: Polyline
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The drawing of a design: curves with the points at which they bend, not yet stepped back anywhere.

    `front` runs from the left temple to the right one, `pins` are indexes into it; `forehead` from right to left; `arm` is the
    right one from the fork to its tip. `soft` and `arm_soft` say from 0 to 1 how much of the skin's rounding each point takes.
    """

    front: Polyline
    pins: tuple[int, ...]
    forehead: Polyline
    soft: tuple[float, ...]
    arm: Polyline
    arm_soft: tuple[float, ...]
    letters: tuple[int, int]  # the arm's points between these carry letters; most of them only matter where a letter begins or ends
    letters_at: float  # along the arm, where the first letter begins: a text is read from behind to the front


def band(design: FrameDesign) -> Band:
    """The wall of a design."""
    return Band(design.wall_mm, design.wall_lines)


def _walked(points: Sequence[Point]) -> list[float]:
    return list(accumulate((distance(first, second) for first, second in pairwise(points)), initial=0.0))


def _front_face(design: FrameDesign) -> tuple[Polyline, list[float]]:
    """The front arc, half an ellipse in fine steps, and how far each point is from its middle along the outer face."""
    half_width = design.head_width_mm / 2 + design.wall_mm / 2
    reach = design.front_depth_mm - design.wall_mm / 2
    count = 2 * round(pi * half_width / _STEP_MM / 2)
    angles = [pi - pi * index / count for index in range(count + 1)]
    middle_line = [(half_width * cos(angle), reach * sin(angle)) for angle in angles]
    face = Band(design.wall_mm, 2).track(Edge(tuple(middle_line)), 0)
    walked = _walked([(x, y) for x, y, _ in face])
    return middle_line, [place - walked[count // 2] for place in walked]


def _front(design: FrameDesign) -> tuple[Polyline, tuple[int, ...]]:
    line, along = _front_face(design)
    places = design.standard.places_mm
    if places[-1] + design.pin_mm > along[-1]:
        long_mm = along[-1] - along[0]
        raise FrameError(
            Bilingual(
                f"The front arc is {long_mm:.0f} mm long: too short for the holes of {design.standard.id}, "
                f"{design.standard.span_mm:.0f} mm apart. Make head_width_mm or forehead_offset_mm larger, or choose other holes.",
                f"L'arc avant mesure {long_mm:.0f} mm : trop court pour les trous de {design.standard.id}, sur "
                f"{design.standard.span_mm:.0f} mm. Augmentez head_width_mm ou forehead_offset_mm, ou choisissez d'autres trous.",
            ),
            parameter="holes",
            value=design.holes,
        )
    nodes = [min(range(len(along)), key=lambda index: abs(along[index] - place)) for place in places]
    # The exact places: a step of half a millimetre would already be the whole tolerance of the holes' pitch.
    for node, place in zip(nodes, places, strict=True):
        line[node] = _between(line, along, place)
    points: Polyline = []
    pins = []
    for first, last in pairwise([0, *nodes, len(line) - 1]):
        piece = line[first : last + 1]
        points += [piece[index] for index in kept(piece, _SKELETON_ERROR_MM)][1 if points else 0 :]
        pins.append(len(points) - 1)
    return points, tuple(pins[:-1])


def _between(line: Polyline, along: list[float], place: float) -> Point:
    index = next(index for index in range(1, len(along)) if along[index] >= place)
    share = (place - along[index - 1]) / (along[index] - along[index - 1])
    (x1, y1), (x2, y2) = line[index - 1], line[index]
    return (x1 + (x2 - x1) * share, y1 + (y2 - y1) * share)


def _arm(design: FrameDesign, fork: Point) -> tuple[Polyline, float]:
    """From the fork backwards along the head, then a hook outwards and forwards for the elastic; and where the hook begins."""
    radius = (design.hook_gap_mm + design.wall_mm) / 2
    end_y = -design.arm_length_mm + (radius + design.wall_mm / 2 if design.hooks else design.wall_mm / 2 + _TIP_BULGE_MM)
    end = (fork[0] * _ARM_END_SHARE, end_y)
    points = cubic(fork, (fork[0], fork[1] + end_y * 0.35), (end[0], end_y * 0.6), end, _STEP_MM)
    hook_at = _walked(points)[-1]
    if design.hooks:
        turn = [pi + pi * index / _HOOK_STEPS for index in range(1, _HOOK_STEPS + 1)]
        points += [(end[0] + radius + radius * cos(angle), end[1] + radius * sin(angle)) for angle in turn]
        points.append((points[-1][0], points[-1][1] + design.hook_length_mm))
    return points, hook_at


def _refined(points: Polyline, places: Sequence[float]) -> Polyline:
    """The polyline simplified, with points of its own at some places along it."""
    along = _walked(points)
    wanted = sorted(place for place in places if 0 < place < along[-1])
    fixed = sorted({0, len(points) - 1, *(min(range(len(along)), key=lambda i: abs(along[i] - place)) for place in wanted)})
    found: Polyline = []
    for first, last in pairwise(fixed):
        piece = points[first : last + 1]
        found += [piece[index] for index in kept(piece, _SKELETON_ERROR_MM)][1 if found else 0 :]
    return found


def _softness(points: Polyline, begin: float, end: float) -> tuple[float, ...]:
    """0 before `begin` and after `end`, 1 between them but for the ramps."""
    ramps = ((min(place - begin, end - place)) / _SOFT_RAMP_MM for place in _walked(points))
    return tuple(min(max(ramp, 0.0), 1.0) for ramp in ramps)


def _ramp_places(begin: float, end: float) -> list[float]:
    return [begin, begin + _SOFT_RAMP_MM, end - _SOFT_RAMP_MM, end]


@lru_cache(maxsize=8)
def skeleton(design: FrameDesign) -> Skeleton:
    """The drawing of a design.

    Raises:
        FrameError: the front is too short for the holes.

    """
    front, pins = _front(design)
    fork = front[-1]
    apex_y = design.forehead_depth_mm + design.wall_mm / 2
    half = cubic(fork, (fork[0] * 0.86, apex_y * 0.55), (fork[0] * 0.5, apex_y), (0.0, apex_y), _STEP_MM)
    forehead = [*half, *((-x, y) for x, y in half[-2::-1])]
    forehead_mm = _walked(forehead)[-1]
    forehead = _refined(forehead, _ramp_places(0.0, forehead_mm))
    arm, hook_at = _arm(design, fork)
    text_mm = text_width_mm(design.revision, letter_height_mm(design)) if design.revision else 0.0
    letters_from = _LETTERS_BEGIN_MM + max((hook_at - _LETTERS_BEGIN_MM - 8.0 - text_mm) / 2, 0.0)
    arm, letters = _arm_points(arm, letters_from, text_mm, _ramp_places(0.0, hook_at - 2.0))
    softness = _softness(forehead, 0.0, forehead_mm)
    return Skeleton(front, pins, forehead, softness, arm, _softness(arm, 0.0, hook_at - 2.0), letters, letters_from + text_mm)


def _arm_points(arm: Polyline, begin: float, text_mm: float, ramps: list[float]) -> tuple[Polyline, tuple[int, int]]:
    """The arm with few points but where letters stand: there as fine as they need, and which points these are."""
    if not text_mm:
        return _refined(arm, ramps), (0, 0)
    # Strokes have sloping sides: the first and last point of the fine part must be beside them.
    begin, text_mm = begin - STROKE_MM, text_mm + 2 * STROKE_MM
    along = _walked(arm)
    steps = round(text_mm / _LETTER_STEP_MM)
    fine = [_between(arm, along, begin + text_mm * step / steps) for step in range(steps + 1)]
    before = [point for point, place in zip(arm, along, strict=True) if place < begin - 0.1]
    after = [point for point, place in zip(arm, along, strict=True) if place > begin + text_mm + 0.1]
    head = _refined([*before, fine[0]], ramps)
    tail = _refined([fine[-1], *after], [place - begin - text_mm for place in ramps])
    return [*head[:-1], *fine, *tail[1:]], (len(head) - 1, len(head) + steps - 1)


def _raised(design: FrameDesign, drawing: Skeleton) -> list[tuple[float, ...]]:
    """How far letters stand out at each point of the arm, a row a layer; a letter grows outwards no faster than 45 degrees."""
    high_mm = letter_height_mm(design)
    base_mm = (design.printed_height_mm - high_mm) / 2
    places = [drawing.letters_at - place for place in _walked(drawing.arm)]
    rows: list[tuple[float, ...]] = []
    below: Sequence[float] = [0.0] * len(places)
    for layer in range(design.layers):
        across = (layer + 0.5) * design.layer_height_mm - base_mm
        wanted = text_row(design.revision, high_mm, across, places)
        most = _STEEPEST * design.layer_height_mm
        below = [min(_LETTER_HEIGHT_MM * share, under + most) for share, under in zip(wanted, below, strict=True)]
        rows.append(tuple(below))
    return rows


def _mirrored(points: Sequence[Point]) -> tuple[Point, ...]:
    return tuple((-x, y) for x, y in points)


def _pin(design: FrameDesign, front: Polyline, index: int) -> Edge:
    (x, y), (before_x, before_y), (after_x, after_y) = front[index], front[index - 1], front[index + 1]
    size = hypot(after_x - before_x, after_y - before_y)
    normal = (-(after_y - before_y) / size, (after_x - before_x) / size)
    reach = design.wall_mm / 2 + design.head_middle_mm
    narrower = ((design.wall_mm - design.pin_mm) / 2,) * 2
    points = ((x, y), (x + normal[0] * reach, y + normal[1] * reach))
    return Edge(points, is_tip=True, bulge_mm=(design.head_mm - design.pin_mm) / 2, left=narrower, right=narrower)


@dataclass(frozen=True, slots=True)
class Walks:
    """The skeleton as two walks, around everything (clockwise) and around the window between forehead and front, with its tips."""

    outside: tuple[Edge, ...]
    window: tuple[Edge, ...]
    front: Edge
    forehead: Edge
    arms: tuple[Edge, Edge]
    pins: tuple[Edge, ...]

    @property
    def tips(self) -> tuple[Edge, ...]:
        """Everything that ends in a round head."""
        return (*self.pins, *self.arms)


def walks(design: FrameDesign, inset_mm: float, raised: tuple[float, ...] = ()) -> Walks:
    """The walks of a layer whose skin side steps back by `inset_mm` and whose letters stand out by `raised`."""
    drawing = skeleton(design)
    skin = tuple(share * inset_mm for share in drawing.soft)
    kept_points = _arm_kept(drawing, raised)
    arm_line = tuple(drawing.arm[index] for index in kept_points)
    arm_skin = tuple(drawing.arm_soft[index] * inset_mm for index in kept_points)
    face = tuple(-raised[index] for index in kept_points) if raised else ()
    front = Edge(tuple(drawing.front))
    forehead = Edge(tuple(drawing.forehead), left=skin)
    right = Edge(arm_line, is_tip=True, bulge_mm=_TIP_BULGE_MM, left=face, right=arm_skin)
    left = Edge(_mirrored(arm_line), is_tip=True, bulge_mm=_TIP_BULGE_MM, left=arm_skin)
    outside: list[Edge] = []
    pins = []
    begin = 0
    for place in drawing.pins:
        pin = _pin(design, drawing.front, place)
        pins.append(pin)
        outside += [_slice(front, begin, place), pin, pin.reversed()]
        begin = place
    outside += [_slice(front, begin, len(front.points) - 1), right, right.reversed(), forehead, left, left.reversed()]
    return Walks(tuple(outside), (front.reversed(), forehead.reversed()), front, forehead, (right, left), tuple(pins))


def _arm_kept(drawing: Skeleton, raised: tuple[float, ...]) -> list[int]:
    """The arm's points that this layer needs: of those for letters only where a letter's side bends."""
    first, last = drawing.letters
    if first == last:
        return list(range(len(drawing.arm)))
    bends = {first + index for index in kept(drawing.arm[first : last + 1], _SKELETON_ERROR_MM)}
    if raised:
        changes = (
            (index, raised[index] - raised[index - 1], raised[index + 1] - raised[index]) for index in range(first + 1, last)
        )
        bends |= {index for index, before, after in changes if abs(before - after) > _SAME_MM}
    return [index for index in range(len(drawing.arm)) if not first < index < last or index in bends]


def _slice(edge: Edge, begin: int, end: int) -> Edge:
    return Edge(edge.points[begin : end + 1])


def _points(track: Track) -> Polyline:
    before = [track[-1], *track[:-1]]
    return [(x, y) for (x, y, _), (x0, y0, _) in zip(track, before, strict=True) if max(abs(x - x0), abs(y - y0)) > _SAME_MM]


def layer_shape(design: FrameDesign, inset_mm: float, raised: tuple[float, ...] = (), seam_mm: float = _SEAM_MM[0]) -> LayerShape:
    """The outlines and lines of a layer.

    Raises:
        FrameError: the dimensions contradict each other.

    """
    wall, found = band(design), walks(design, inset_mm, raised)
    half = design.wall_lines // 2
    seam = (seam_mm, design.front_depth_mm)
    try:
        window = [opened(wall.loop(found.window, line + 0.5), seam) for line in range(half)]
        outside = [opened(wall.loop(found.outside, line + 0.5), seam) for line in range(half)]
    except GeometryError as error:
        raise _contradiction(error) from error
    ways = [Way((track,), line == 0) for line, track in enumerate(window)]
    inmost = Way(tuple(with_detours(outside[-1], _heads(design, found))), half == 1)
    ways += [inmost, *(Way((track,), line == 0) for line, track in reversed(list(enumerate(outside[:-1]))))]
    return LayerShape(*layer_outlines(design, inset_mm, raised), tuple(ways))


def layer_outlines(design: FrameDesign, inset_mm: float, raised: tuple[float, ...] = ()) -> tuple[Polyline, Polyline]:
    """The borders of a layer, around everything and around the window. Without letters their points correspond from inset to inset.

    Raises:
        FrameError: the dimensions contradict each other.

    """
    wall, found = band(design), walks(design, inset_mm, raised)
    try:
        return _points(wall.loop(found.outside, 0)), _points(wall.loop(found.window, 0))
    except GeometryError as error:
        raise _contradiction(error) from error


def _heads(design: FrameDesign, found: Walks) -> list[tuple[Point, list[Track]]]:
    """Round heads are wider than the lines that go round them: circles fill what is left."""
    detours = []
    for tip in found.tips:
        (x1, y1), (x, y) = tip.points[-2:]
        size = distance((x1, y1), (x, y))
        facing = (x + (x - x1) / size * tip.bulge_mm, y + (y - y1) / size * tip.bulge_mm)
        detours.append((facing, rings((x, y), tip.bulge_mm, design.line_width_mm, facing)))
    return detours


def _contradiction(error: GeometryError) -> FrameError:
    return FrameError(
        Bilingual(
            f"These dimensions do not make a frame: {error}.",
            "Ces dimensions ne font pas une visière : une partie est trop courte pour l'épaisseur du bandeau.",
        )
    )


@lru_cache(maxsize=4)
def frame_layers(design: FrameDesign) -> tuple[LayerShape, ...]:
    """The layers of a frame from its bottom up; equal ones are the same object.

    Raises:
        FrameError: the dimensions contradict each other.

    """
    drawing = skeleton(design)
    rows = _raised(design, drawing) if design.revision else [()] * design.layers
    made: dict[tuple[float, tuple[float, ...], float], LayerShape] = {}
    found = []
    for layer, raised in enumerate(rows):
        inset_mm = round(skin_inset_mm(design, (layer + 0.5) * design.layer_height_mm), 6)
        row = raised if any(raised) else ()
        key = (inset_mm, row, _SEAM_MM[layer % 2])
        if key not in made:
            made[key] = layer_shape(design, *key)
        found.append(made[key])
    return tuple(found)
