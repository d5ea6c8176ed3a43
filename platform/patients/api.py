"""The JSON addresses of this package, in one list."""

from __future__ import annotations

from typing import Any

from litestar.types import ControllerRouterHandler

from patients import feed_api, import_api, patients_api

handlers: list[ControllerRouterHandler | Any] = [
    *import_api.handlers,
    *feed_api.handlers,
    *patients_api.handlers,
]
