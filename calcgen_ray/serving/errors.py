"""Failures as OpenAI's clients know them: {"error": {message, type, param, code}}."""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

FAILED = "the endpoint failed on this request; its log says why"
_CODES = {
    400: "invalid_value",
    401: "invalid_api_key",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "request_too_large",
    415: "unsupported_media_type",
    429: "overloaded",
    431: "headers_too_large",
    500: "internal_error",
    503: "unavailable",
}


def without_paths(text: str) -> str:
    """A message for clients: of each absolute path in it the last part."""
    return re.sub(r"(?<![\w./])/[^\s:;,'\"]*/([^\s:;,'\"/]+)/?", r"\1", text)


class ApiError(Exception):
    """A request that is answered with `status` and one line."""

    def __init__(
        self, status: int, message: str, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param = status, message, param
        self.code = code or _CODES.get(status, "error")

    def body(self) -> dict[str, Any]:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {
            "error": {
                "message": self.message,
                "type": "rate_limit_error" if self.status == 429 else kind,
                "param": self.param,
                "code": self.code,
            }
        }

    def response(self) -> JSONResponse:
        headers = {"Retry-After": "1"} if self.status in (429, 503) else None
        return JSONResponse(self.body(), self.status, headers)


def install(api: FastAPI) -> None:
    """Gives every failure of `api` this shape, FastAPI's own included; what nobody foresaw is
    for `Access`."""

    @api.exception_handler(ApiError)
    async def told(request: Request, error: ApiError) -> JSONResponse:
        return error.response()

    @api.exception_handler(HTTPException)
    async def routed(request: Request, error: HTTPException) -> JSONResponse:
        text = f"{request.method} {request.url.path}: {error.detail}"
        response = ApiError(error.status_code, text).response()
        response.headers.update(error.headers or {})
        return response

    @api.exception_handler(RequestValidationError)
    async def refused(request: Request, error: RequestValidationError) -> JSONResponse:
        return ApiError(400, "the request is not of the form that this route reads").response()
