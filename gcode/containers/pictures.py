"""A picture as a container holds it: what it claims to be, and its bytes, which nobody has looked at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RawThumbnail:
    """Untrusted: format ("png", "jpg", "qoi"), size in pixels and content are the file's own words. 0 pixels: it does not say."""

    format: str
    width_px: int
    height_px: int
    data: bytes
    offset: int = 0  # bytes to its first line of base64 in the text; 0 in a container
