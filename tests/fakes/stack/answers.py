"""How do the services word an answer, and how an error?"""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response

EXPRESS = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Error</title>
</head>
<body>
<pre>{text}</pre>
</body>
</html>
"""
NGINX = (
    "<html>\r\n<head><title>{status} {phrase}</title></head>\r\n<body>\r\n"
    "<center><h1>{status} {phrase}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
FLASK = "<!doctype html>\n<html lang=en>\n<title>{status} {phrase}</title>\n<h1>{phrase}</h1>\n<p>{text}</p>\n"


def iso(at_s: float) -> str:
    """As TypeScript writes a time: milliseconds and Z."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def naive_utc(at_s: float) -> str:
    """As ml-service writes most times: UTC, and nothing says so."""
    return datetime.fromtimestamp(at_s, UTC).replace(tzinfo=None).isoformat()


def naive_local(at_s: float) -> str:
    """As ml-service writes `last_adaptation`: local time, and nothing says so."""
    return datetime.fromtimestamp(at_s).isoformat()


def number(quantity: Decimal) -> int | float:
    """A JavaScript number: whole ones have no point."""
    return int(quantity) if quantity == quantity.to_integral_value() else float(quantity)


def success(body: Any = None, **beside: Any) -> Response:
    """`{"success": true, "data": body}` and what else stands beside `data`; no `data` when body is None."""
    content = {"success": True} | ({} if body is None else {"data": body}) | beside
    return JSONResponse(json.loads(json.dumps(content, default=float)))  # what was read exactly leaves as a number


def message(text: str, **beside: Any) -> Response:
    return JSONResponse({"success": True, "message": text} | beside)


def object_error(status: int, code: str, text: str, details: dict[str, Any] | None = None) -> Response:
    """V1, V1m and the API doc: the error is an object."""
    error = {"code": code, "message": text} | ({"details": details} if details else {})
    return JSONResponse({"success": False, "error": error}, status)


def string_error(status: int, text: str, **beside: Any) -> Response:
    """V2 and ml-service: the error is a string."""
    return JSONResponse({"success": False, "error": text} | beside, status)


def refusal(text: str, status: int = 200) -> Response:
    """V1m: no error at all, only a message; with status 200 for a session, 400 for an order."""
    return JSONResponse({"success": False, "message": text}, status)


def express_html(status: int, text: str) -> Response:
    """Express's default page for what no handler took."""
    return HTMLResponse(EXPRESS.format(text=text), status)


def nginx_html(status: int, phrase: str) -> Response:
    return HTMLResponse(NGINX.format(status=status, phrase=phrase), status)


def flask_html(status: int, phrase: str, text: str, headers: dict[str, str] | None = None) -> Response:
    return HTMLResponse(FLASK.format(status=status, phrase=phrase, text=text), status, headers)
