"""/static: the style and the script of the pages, which come with this package; nothing else is read."""

from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from jobsched.web.problems import Problem

router = APIRouter(include_in_schema=False)

_TYPES = {"style.css": "text/css", "live.js": "text/javascript", "icon.svg": "image/svg+xml"}
CONTENTS = {name: files("jobsched.web.pages").joinpath("static", name).read_bytes() for name in _TYPES}


@router.get("/static/{name}", response_model=None)
async def get_file(name: str) -> Response:
    if name not in _TYPES:
        raise Problem(404, "not_found", "there is nothing at this address")
    return Response(CONTENTS[name], media_type=_TYPES[name], headers={"Cache-Control": "public, max-age=86400"})
