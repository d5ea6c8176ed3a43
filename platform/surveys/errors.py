"""What can go wrong with a questionnaire; pages turn each into one sentence."""

from __future__ import annotations


class UnknownResponse(LookupError):
    """No such response in this hospital."""


class UnknownQuestion(LookupError):
    """The questionnaire of this response has no such question."""


class AnswerRefused(ValueError):
    """A level off the scale, or a reason with a level that needs none."""


class ResponseClosed(Exception):
    """The response takes no more answers: its call is over, or its patient may not be asked any more."""


class NoSurvey(ValueError):
    """The task carries no survey: it belongs to no stay or visit."""
