"""The pages: one HTML file and what it needs, packed with gzip for who takes that; each file is packed once."""

import asyncio
import gzip
import os
from functools import lru_cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC: Final = Path(__file__).parent / "static"
_MAX_FILES: Final = 128  # kept packed: some 60 kB for all that there are


@lru_cache(maxsize=_MAX_FILES)
def _packed(path: str, _mtime_ns: int, _size_bytes: int) -> bytes:
    return gzip.compress(Path(path).read_bytes(), mtime=0)


def _takes_gzip(headers: Headers) -> bool:
    """Whether gzip is named and not refused (RFC 9110, 12.5.3)."""
    for coding in headers.get("accept-encoding", "")[:400].split(","):
        name, _, quality = coding.partition(";")
        if name.strip().lower() in {"gzip", "x-gzip"}:
            return quality.replace(" ", "").lower() not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


class Pages(StaticFiles):
    """Static files, a third as large on the wire: what a browser has is asked for by its ETag, and not sent again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file, packed or plain; 304 when it is the one that the browser has."""
        response = await super().get_response(path, scope)
        headers = Headers(scope=scope)
        if not isinstance(response, FileResponse) or scope["method"] != "GET" or "range" in headers:
            return response
        response.headers["Vary"] = "Accept-Encoding"
        if not _takes_gzip(headers):
            return response
        found = await asyncio.to_thread(os.stat, response.path)
        own = {
            "ETag": f'"{found.st_mtime_ns:x}-{found.st_size:x}-gzip"',
            "Vary": "Accept-Encoding",
            "Last-Modified": response.headers["last-modified"],
        }
        if own["ETag"] in headers.get("if-none-match", ""):
            return Response(status_code=304, headers=own)
        body = await asyncio.to_thread(_packed, str(response.path), found.st_mtime_ns, found.st_size)
        return Response(body, media_type=response.media_type, headers={**own, "Content-Encoding": "gzip"})


router = APIRouter(include_in_schema=False)
files: Final = Pages(directory=STATIC)


@router.get("/")
async def page(request: Request) -> Response:
    """Answer with the one page; everything else that it needs is below /static."""
    return await files.get_response("index.html", request.scope)
