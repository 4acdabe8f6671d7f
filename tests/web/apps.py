"""The HTTP API as an application, for each test one of its own."""

from fastapi.routing import APIRouter

from jobsched.client import Client
from jobsched.testing.clock import FakeClock
from jobsched.web.access import Access
from jobsched.web.app import Web

#: Of the first application. To make one out of all routes takes longer than most tests; it knows nothing of whose it is.
ROUTERS: list[APIRouter] = []


def a_web(client: Client, access: Access, clock: FakeClock, root_path: str = "") -> Web:
    # A page that counts waits for its figures, however slow the machine is.
    web = Web(client, access, clock=clock, root_path=root_path, patience=60)
    if root_path:
        return web
    if ROUTERS:
        web.app.router = ROUTERS[0]
    else:
        ROUTERS.append(web.app.router)
    return web
