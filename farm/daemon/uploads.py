"""Files on their way into the library: where each is, and what came of the newest. In memory, bounded."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from farm.control_errors import missing
from farm.daemon.inspection import OnProgress, Progress
from farm.errors import FarmError, RejectedError
from farm.ids import new_id
from farm.log import get_logger
from farm.request_bodies import ProgramRequest
from farm.views import ProgramView, UploadState, UploadView
from gcode.texts import Bilingual

_log = get_logger(__name__)
MAX_KEPT: Final = 32  # that have ended
MAX_WAITING: Final = 16  # each holds a file on the disk
_STATES: Final[dict[str, UploadState]] = {"opening": "opening", "checking": "checking", "drawing": "drawing", "saving": "saving"}
Work = Callable[[OnProgress], Awaitable[tuple[ProgramView, bool]]]


def problem_of(error: FarmError) -> dict[str, object]:
    """What a refused upload shows."""
    findings = {"findings": error.findings, "verdicts": error.verdicts} if isinstance(error, RejectedError) else {}
    french = {"detail_fr": error.detail_fr, "next_step_fr": error.next_step_fr}
    return {"code": error.code, "detail": error.detail, "next_step": error.next_step, **french, **findings}


def _brief(view: UploadView) -> UploadView:
    if view.problem is None:
        return view
    return view.model_copy(update={"problem": {key: value for key, value in view.problem.items() if key != "findings"}})


class Uploads:
    """The list, and the tasks that work in the background. `now` is farm time, `touch` tells people that something changed."""

    def __init__(self, now: Callable[[], float], touch: Callable[[], None]) -> None:
        self._now = now
        self._touch = touch
        self._views: OrderedDict[str, UploadView] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def all(self) -> list[UploadView]:
        """Newest first, without the findings of refused ones: `find` has them."""
        return [_brief(view) for view in reversed(self._views.values())]

    def find(self, upload: str) -> UploadView:
        """One upload. NotFoundError: it never was, or is forgotten."""
        view = self._views.get(upload)
        if view is None:
            raise missing("upload", upload)
        return view

    def require_room(self) -> None:
        """Refuse one more while many wait. FarmError (throttled)."""
        if len(self._tasks) >= MAX_WAITING:
            raise FarmError(
                Bilingual(f"{MAX_WAITING} files wait to be checked.", f"{MAX_WAITING} fichiers attendent d'être vérifiés."),
                next_step=Bilingual("Wait for one of them.", "Attendez que l'un d'eux ait fini."),
                code="throttled",
            )

    async def follow(self, request: ProgramRequest, size_bytes: int, work: Work) -> tuple[ProgramView, bool]:
        """Do `work` while everybody can see how far it is; return what it returns. FarmError: as `work`."""
        return await self._follow(self._open(request, size_bytes), work)

    def begin(self, request: ProgramRequest, size_bytes: int, work: Work) -> UploadView:
        """Do `work` in the background. FarmError (throttled): too many wait."""
        self.require_room()
        key = self._open(request, size_bytes)
        task = asyncio.create_task(self._alone(key, work), name=f"upload-{key}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return self._views[key]

    async def close(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("upload.failed", detail=repr(error))

    async def _alone(self, key: str, work: Work) -> None:
        with suppress(FarmError):  # `problem` of the view tells it
            await self._follow(key, work)

    async def _follow(self, key: str, work: Work) -> tuple[ProgramView, bool]:
        try:
            view, new = await work(lambda progress: self._progress(key, progress))
        except FarmError as error:
            self._change(key, state="refused", problem=problem_of(error))
            raise
        except BaseException:  # given up by who asked, or a fault of ours, which is told where it is caught
            self._views.pop(key, None)
            self._touch()
            raise
        self._change(key, state="ready", program=view.sha256, new=new)
        return view, new

    def _open(self, request: ProgramRequest, size_bytes: int) -> str:
        key = new_id("upload")
        self._views[key] = UploadView(
            id=key,
            name=request.name,
            design=request.design,
            revision=request.revision,
            profile=request.profile,
            size_bytes=size_bytes,
            state="waiting",
            begun_at=self._now(),
        )
        ended = [key for key, view in self._views.items() if view.state in {"ready", "refused"}]
        for old in ended[: max(0, len(ended) - MAX_KEPT)]:
            del self._views[old]
        self._touch()
        return key

    def _progress(self, key: str, progress: Progress) -> None:
        self._change(key, state=_STATES.get(progress.step, "checking"), done=progress.done, of=progress.of)

    def _change(self, key: str, **fields: object) -> None:
        if key in self._views:
            self._views[key] = self._views[key].model_copy(update=fields)
            self._touch()
