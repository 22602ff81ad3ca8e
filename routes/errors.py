"""Every error of the wire: its code, its status, its message, its one shape."""

from schemas import ErrorBody, ErrorResponse

# Every error code of the wire, its status and its one message. A closed list: docs/errors.md is tested against it.
ERRORS: dict[str, tuple[int, str]] = {
    "malformed_json": (400, "The body is not JSON."),
    "unknown_symbol": (404, "No such symbol in this market."),
    "not_found": (404, "No such route."),
    "method_not_allowed": (405, "This route does not take this method."),
    "body_too_large": (413, "The body is larger than 64 KB."),
    "unsupported_media_type": (415, "The body must be application/json, not compressed."),
    "invalid_field": (422, "A field is missing, unknown or outside its range."),
    "too_many_requests": (429, "Too many requests at once."),
    "internal": (500, "An error of ours; it is logged under the request id."),
    "not_ready": (503, "Not ready to answer."),
}


class Rejected(Exception):
    """A request that ends with an error of the closed list."""

    def __init__(self, code: str, details: list[dict[str, str]] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


def error_body(rejected: Rejected, request_id: str) -> bytes:
    """The one error shape, as JSON."""
    _, message = ERRORS[rejected.code]
    body = ErrorBody(code=rejected.code, message=message, details=rejected.details, request_id=request_id)
    return ErrorResponse(error=body).model_dump_json(exclude_none=True).encode()
