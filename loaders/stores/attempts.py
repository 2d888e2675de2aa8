"""Sends a request to an object store again if it fails, and says in a sentence what does not recover."""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable
from typing import TypeVar

from feedrate.loaders.error_text import one_line, without_secrets
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.stores.store_path import StorePath
from feedrate.loaders.stores.traffic import traffic

Result = TypeVar("Result")
ATTEMPTS = 6
TIMEOUTS = 3
"""So many attempts without any answer in time are enough: each takes half a minute."""
FIRST_PAUSE_S = 0.1
"""Pause after the first failure. Each later pause is twice as long, and all of them vary by half."""
_NO_CREDENTIALS = ("Credential", "SSOToken", "TokenRetrieval", "ProfileNotFound", "RefreshError")
"""Parts of the names of errors that botocore and google-auth raise before they send anything."""
_UNUSABLE = ("ParamValidation", "InvalidRegion")
"""Parts of the names of errors that botocore raises for a bucket or region that cannot exist."""
_PERMANENT = (errno.EINVAL, errno.EPERM, errno.ENOSYS)


class StoreError(FeedrateError):
    """A file in a store cannot be read. The message says which one, and why."""


class MissingFile(StoreError):
    """There is no such file in the store."""


class FileChanged(StoreError):
    """The file is no longer the one that was opened."""


def attempt(path: StorePath, request: Callable[[], Result], *, doing: str = "read") -> Result:
    """Return what the request returns. It is sent again after errors of the network and of a busy store.

    doing: what the request does to the file, in the words of a message: read, written or removed.
    Raises MissingFile, FileChanged, or StoreError with what else is wrong. No message or cause holds credentials.
    """
    pause_s, timeouts = FIRST_PAUSE_S, 0
    for number in range(1, ATTEMPTS + 1):
        traffic().count(requests=1)
        try:
            return request()
        except FeedrateError:
            raise
        except Exception as error:  # each library has errors of its own
            final = _final(path, error, doing)
            timeouts += "Timeout" in type(error).__name__
            if final is None and (number == ATTEMPTS or timeouts == TIMEOUTS):
                final = StoreError(
                    f"{path} could not be {doing} in {number} attempts ({_short(_real(error))}): check the store and the network"
                )
        if final is not None:
            raise final  # without its cause, whose text may hold a signed address
        traffic().count(retries=1)
        time.sleep(pause_s * random.uniform(0.5, 1.5))
        pause_s *= 2
    raise AssertionError


def _final(path: StorePath, error: Exception, doing: str) -> StoreError | None:
    """Return the error for the user if another attempt would fail as well, otherwise None."""
    error = _real(error)
    status, name = error.status if hasattr(error, "status") else getattr(error, "code", None), type(error).__name__
    if name == "FileExpired" or status == 412:
        return FileChanged(f"{path} changed while it was read: start again when nobody writes to it")
    if isinstance(error, PermissionError) or status in (401, 403) or any(part in name for part in _NO_CREDENTIALS):
        return StoreError(
            f"{path} may not be {doing} with the credentials of this process ({_short(error)}): check those that the store's "
            "own tools use, such as AWS_PROFILE, GOOGLE_APPLICATION_CREDENTIALS or ~/.netrc"
        )
    if isinstance(error, FileNotFoundError) or status == 404:
        return MissingFile(f"{path} does not exist: check the address")
    if any(part in name for part in _UNUSABLE) or type(error) is ValueError:
        return StoreError(
            f"{path} cannot be {doing} ({_short(error)}): check the address, and the region and endpoint of this process"
        )
    if getattr(error, "errno", None) in _PERMANENT or isinstance(error, TypeError | NotImplementedError):
        return StoreError(f"{path} cannot be {doing} ({_short(error)}): check the address")
    return None


def _real(error: Exception) -> Exception:
    """Return the error of HTTP behind a missing file: fsspec calls every failure one."""
    cause = error.__cause__
    behind = isinstance(error, FileNotFoundError) and isinstance(cause, Exception)
    return cause if behind and type(cause).__module__.startswith("aiohttp") else error  # type: ignore[return-value]


def _short(error: Exception) -> str:
    """Return an error's type and message without credentials."""
    return one_line(without_secrets(f"{type(error).__name__}: {error}"), 100)
