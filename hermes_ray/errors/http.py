"""Requests that fail for a reason that only HTTP knows."""

from hermes_ray.errors.base import HermesError


class ApiError(HermesError):
    """An HTTP request to the API failed for a reason that only HTTP knows."""

    code = "api"


class InvalidRequest(ApiError):
    """A request has fields that are missing, wrong or unknown."""

    code = "invalid-request"


class BodyTooLarge(InvalidRequest):
    """The body of a request is beyond its limit."""

    code = "body-too-large"


class BodyTimeout(InvalidRequest):
    """The body of a request does not come, or too slowly."""

    code = "body-timeout"


class Unauthorized(ApiError):
    """The request carries no API key, or none that is known and valid."""

    code = "unauthorized"


class Forbidden(ApiError):
    """The caller is known and may not do that; names the scope that is missing."""

    code = "forbidden"


class ApiUnreachable(ApiError):
    """Nothing answers at the API's address, or not in the API's language."""

    code = "api-unreachable"
