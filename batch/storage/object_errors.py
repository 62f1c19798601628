"""The failures of object storage, by cause, and their messages.

digitbox never shows the whole message of a store: it may have an address with credentials in it.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Awaitable
from enum import Enum, auto
from typing import TypeVar

from batch.errors import DigitboxError, InputError, OutboxError

MAX_MESSAGE = 200  # characters of a store's message that digitbox shows; two lines of a terminal
TRY_AGAIN = "check the network and the credentials, and run it again"
# S3 answers these to any request, so the credentials are wrong and not the object.
_CREDENTIAL_CODES = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    }
)

_Result = TypeVar("_Result")


class Cause(Enum):
    """The cause of a failed request."""

    NO_BUCKET = auto()
    GONE = auto()
    """There is no such object; some stores say the same of a bucket."""
    TAKEN = auto()
    """There is an object of that name."""
    DENIED = auto()
    NOT_IMPLEMENTED = auto()
    """The store does not know the request, or a condition of it."""
    CREDENTIALS = auto()
    OTHER = auto()
    """A failure of this request alone."""
    NO_ANSWER = auto()


class StoreError(DigitboxError):
    """A request to a store failed, or had no answer.

    Args:
        cause: The cause.
        text: One line for people, without credentials.
    """

    def __init__(self, cause: Cause, text: str) -> None:
        super().__init__(text)
        self.cause = cause


async def answer(request: Awaitable[_Result]) -> _Result:
    """Return the answer of a store to a request.

    Raises:
        StoreError: The request failed. The errors of the three packages have no base class in common, so this
            catches all of them.
    """
    try:
        return await request
    except Exception as error:
        raise StoreError(_cause(error), first_line(error)) from error


def _cause(error: Exception) -> Cause:
    response = getattr(error.__cause__, "response", None) or getattr(error, "response", None)
    code = response["Error"].get("Code", "") if isinstance(response, dict) and "Error" in response else ""
    status = getattr(error, "code", getattr(error, "status_code", None))  # of gcsfs, of Azure
    if code in _CREDENTIAL_CODES:
        return Cause.CREDENTIALS
    if code == "NoSuchBucket":
        return Cause.NO_BUCKET
    if isinstance(error, FileExistsError) or code == "PreconditionFailed" or status == 412:
        return Cause.TAKEN
    if isinstance(error, FileNotFoundError):
        return Cause.GONE
    if isinstance(error, PermissionError):
        return Cause.DENIED
    # Errors of a connection are of classes of the packages, or subclasses of ConnectionError.
    if (
        isinstance(error, OSError)
        and type(error).__module__ == "builtins"
        and not isinstance(error, ConnectionError)
    ):
        return Cause.NOT_IMPLEMENTED if error.errno == errno.ENOSYS else Cause.OTHER
    return Cause.NO_ANSWER


def first_line(error: Exception) -> str:
    """Return the message of an exception in one line, without the credentials that addresses may have."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = re.sub(r"//[^/\s@]*@", "//", text)
    text = re.sub(r"\?[^\s\"']*", "", text)
    return text.rstrip(".") if len(text) <= MAX_MESSAGE else text[:MAX_MESSAGE] + "..."


def input_error(address: str, error: StoreError) -> InputError:
    """Return the error of a run that can read nothing from a store."""
    bucket = "/".join(address.split("/")[:3])
    if error.cause in (Cause.NO_BUCKET, Cause.GONE):
        return InputError(f"no such bucket: {bucket}; name what to read, e.g. s3://bucket/scans/")
    if error.cause is Cause.DENIED:
        return InputError(
            f"access to {address} is denied ({error}): "
            "allow these credentials to list and read it, or use others"
        )
    return InputError(f"cannot read {address}: {error}; {TRY_AGAIN}")


def outbox_error(address: str, error: StoreError) -> OutboxError:
    """Return the error of a run that cannot write to a store."""
    if error.cause is Cause.DENIED:
        return OutboxError(
            f"cannot write {address}: access is denied ({error}); "
            "allow these credentials to put objects there: the next run publishes the staged results"
        )
    return OutboxError(f"cannot write {address}: {error}; {TRY_AGAIN}: that publishes the staged results")
