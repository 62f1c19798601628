"""What goes wrong with object storage, and how that is said.

What a store says is never passed on whole: it may name an address with credentials in it.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Awaitable
from enum import Enum, auto
from typing import TypeVar

from batch.errors import DigitboxError, InputError, OutboxError

MAX_MESSAGE = 200  # characters
TRY_AGAIN = "check the network and the credentials, and run it again"
# What S3 says when it is not the object that is the trouble.
_OF_CREDENTIALS = frozenset(
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
    """What is wrong."""

    NO_BUCKET = auto()
    GONE = auto()
    TAKEN = auto()
    DENIED = auto()
    UNKNOWN_CALL = auto()
    OF_CREDENTIALS = auto()
    OF_THIS = auto()
    NO_ANSWER = auto()


class StoreError(DigitboxError):
    """A store said no, or nothing.

    Args:
        trouble: what is wrong.
        text: what was said, for people.
    """

    def __init__(self, trouble: Cause, text: str) -> None:
        super().__init__(text)
        self.trouble = trouble


async def answer(question: Awaitable[_Result]) -> _Result:
    """The answer of a store.

    Raises:
        StoreError: instead of whatever else; the exceptions of three kits have no root in common.
    """
    try:
        return await question
    except Exception as error:
        raise StoreError(_trouble(error), first_line(error)) from error


def _trouble(error: Exception) -> Cause:
    response = getattr(error.__cause__, "response", None) or getattr(error, "response", None)
    code = response["Error"].get("Code", "") if isinstance(response, dict) and "Error" in response else ""
    status = getattr(error, "code", getattr(error, "status_code", None))  # of gcsfs, of Azure
    if code in _OF_CREDENTIALS:
        return Cause.OF_CREDENTIALS
    if code == "NoSuchBucket":
        return Cause.NO_BUCKET
    if isinstance(error, FileExistsError) or code == "PreconditionFailed" or status == 412:
        return Cause.TAKEN
    if isinstance(error, FileNotFoundError):
        return Cause.GONE
    if isinstance(error, PermissionError):
        return Cause.DENIED
    # Those of connections are of a kit's own kinds.
    if (
        isinstance(error, OSError)
        and type(error).__module__ == "builtins"
        and not isinstance(error, ConnectionError)
    ):
        return Cause.UNKNOWN_CALL if error.errno == errno.ENOSYS else Cause.OF_THIS
    return Cause.NO_ANSWER


def first_line(error: Exception) -> str:
    """What an exception says, in one line, without the credentials that addresses may have."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = re.sub(r"//[^/\s@]*@", "//", text)
    text = re.sub(r"\?[^\s\"']*", "", text)
    return text.rstrip(".") if len(text) <= MAX_MESSAGE else text[:MAX_MESSAGE] + "..."


def input_error(address: str, error: StoreError) -> InputError:
    """Why nothing can be read."""
    bucket = "/".join(address.split("/")[:3])
    if error.trouble in (Cause.NO_BUCKET, Cause.GONE):
        return InputError(
            f"no such bucket: {bucket}; name what to read, as in: digitbox run s3://bucket/scans/"
        )
    if error.trouble is Cause.DENIED:
        return InputError(
            f"access to {address} is denied ({error}): let these credentials list and read it, or take others"
        )
    return InputError(f"cannot read {address}: {error}; {TRY_AGAIN}")


def outbox_error(address: str, error: StoreError) -> OutboxError:
    """Why nothing can be written."""
    if error.trouble is Cause.DENIED:
        return OutboxError(
            f"cannot write {address}: access is denied ({error}); let these credentials put objects there: "
            "what is staged is published by the next run"
        )
    return OutboxError(f"cannot write {address}: {error}; {TRY_AGAIN}: what is staged is published then")
