"""The one shape of every error."""

from pydantic import BaseModel


class ErrorBody(BaseModel):
    """What went wrong, in the one shape every error has."""

    code: str
    message: str
    details: list[dict[str, str]] | None = None
    request_id: str


class ErrorResponse(BaseModel):
    """The envelope of every error."""

    error: ErrorBody
