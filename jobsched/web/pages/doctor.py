"""/doctor: what `jobsched doctor` finds, as far as it can be seen from here."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from jobsched.web.figures import Figures
from jobsched.web.pages.render import TheRenderer

router = APIRouter(include_in_schema=False)

_ORDER = {"error": 0, "warning": 1, "ok": 2}


@router.get("/doctor", response_model=None)
def show_doctor(request: Request, renderer: TheRenderer) -> Response:
    figures: Figures = request.app.state.figures
    found = figures.diagnosis.get()
    findings = [] if found is None else sorted(found.findings, key=lambda one: _ORDER[one.level])
    return renderer.page(
        "doctor.html",
        request,
        at=None if found is None else found.at,
        findings=findings,
        errors=sum(one.level == "error" for one in findings),
        warnings=sum(one.level == "warning" for one in findings),
    )
