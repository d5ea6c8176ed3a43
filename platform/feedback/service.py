"""What this package does for others, in one place; each operation stands in a module of its own idea."""

from feedback.callbacks import record_callback
from feedback.cases import NewCase, hand_to_medical_affairs, open_case
from feedback.progress import (
    acknowledge,
    add_progress,
    mark_handled,
    meet,
    record_investigation,
    record_plan,
)

__all__ = [
    "NewCase",
    "acknowledge",
    "add_progress",
    "hand_to_medical_affairs",
    "mark_handled",
    "meet",
    "open_case",
    "record_callback",
    "record_investigation",
    "record_plan",
]
