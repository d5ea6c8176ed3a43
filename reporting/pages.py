"""The pages of reports: a hospital's months, its comparison, and the firm's."""

from __future__ import annotations

from reporting.benchmark_pages import handlers as benchmark_handlers
from reporting.report_pages import handlers as report_handlers

handlers = [*report_handlers, *benchmark_handlers]
