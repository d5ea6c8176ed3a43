"""What every address of /api/v1 may answer besides what it is for, as the OpenAPI schema says it."""

from __future__ import annotations

import msgspec
from litestar.openapi.datastructures import ResponseSpec


class Trouble(msgspec.Struct):
    """Why there is no answer: the status once more, and one sentence."""

    status_code: int
    detail: str


def _told(description: str) -> ResponseSpec:
    return ResponseSpec(Trouble, generate_examples=False, description=description)


# Of an address without a hospital.
OWN_TROUBLES = {
    400: _told("A parameter cannot be read."),
    401: _told("Nobody is signed in, or the token has ended."),
    403: _told("The right to do this is missing."),
}
# Of one hospital's address. What is another hospital's is not there (404), never forbidden.
TROUBLES = {
    **OWN_TROUBLES,
    404: _told("There is no such hospital, row or cursor within reach."),
    422: _told("It cannot be done, and why: one sentence for the person."),
}
