"""/login and /logout: a token is given once, and a cookie stands for it from then on."""

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from jobsched.web.pages.render import TheRenderer
from jobsched.web.pages.site import LOGIN, LOGOUT, sent_form, way_back
from jobsched.web.routes import TheAccess
from jobsched.web.sessions import COOKIE, LIFETIME, Sessions

router = APIRouter(include_in_schema=False)


@router.get(LOGIN, response_model=None)
def show_login(request: Request, access: TheAccess, renderer: TheRenderer) -> Response:
    following = way_back(request.query_params.get("next"))
    if access.open:
        return renderer.redirect(following)
    return renderer.page("login.html", request, following=following, wrong=False)


@router.post(LOGIN, response_model=None)
async def log_in(request: Request, access: TheAccess, renderer: TheRenderer) -> Response:
    form = sent_form(request.state)
    following = way_back(form.get("next"))
    caller = access.caller(b"Bearer " + form.get("token", "").strip().encode())
    if caller is None:
        request.app.state.failures.note(request.client.host if request.client else "unknown")
        return await run_in_threadpool(
            renderer.page, "login.html", request, status=401, following=following, wrong=True
        )
    sessions: Sessions = request.app.state.sessions
    answer = renderer.redirect(following)
    if caller.name is None:  # nobody is asked for a token here
        return answer
    answer.set_cookie(
        COOKIE,
        sessions.begin(caller.name),
        max_age=int(LIFETIME.total_seconds()),
        path=renderer.root or "/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post(LOGOUT, response_model=None)
def log_out(renderer: TheRenderer) -> Response:
    answer = renderer.redirect(LOGIN)
    answer.delete_cookie(COOKIE, path=renderer.root or "/")
    return answer
