"""Solids for the tests of slicing: boxes as STL and 3MF."""

import struct
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

Triangles = list[tuple[int, int, int]]
_FACES: Triangles = [
    *((0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1)),
    *((2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)),
]


def corners(width: float, depth: float, height: float) -> list[tuple[float, float, float]]:
    return [(x, y, z) for x in (0.0, width) for y in (0.0, depth) for z in (0.0, height)]


def box_stl(width: float = 20, depth: float = 20, height: float = 20) -> bytes:
    points = corners(width, depth, height)
    body = b"".join(struct.pack("<12fH", 0, 0, 0, *points[a], *points[b], *points[c], 0) for a, b, c in _FACES)
    return bytes(80) + struct.pack("<I", len(_FACES)) + body


def model_xml(size: float = 20) -> str:
    vertices = "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in corners(size, size, size))
    triangles = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in _FACES)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<model unit="millimeter" xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02"><resources>'
        f'<object id="1" type="model"><mesh><vertices>{vertices}</vertices><triangles>{triangles}</triangles></mesh></object>'
        '</resources><build><item objectid="1"/></build></model>'
    )


def archive(parts: dict[str, str | bytes]) -> bytes:
    output = BytesIO()
    with ZipFile(output, "w", ZIP_DEFLATED) as target:
        for name, content in parts.items():
            target.writestr(name, content)
    return output.getvalue()


def box_3mf(size: float = 20, **more: str) -> bytes:
    return archive({"3D/3dmodel.model": model_xml(size), **{name.replace("__", "/"): text for name, text in more.items()}})
