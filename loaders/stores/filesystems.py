"""Opens the fsspec filesystem of an address, with the credentials that the store's own tools would find."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from feedrate.loaders.error_text import one_line
from feedrate.loaders.stores.attempts import StoreError
from feedrate.loaders.stores.store_path import StorePath

REQUESTS = 16
"""Requests of a process that may be under way at a time."""
THREADS = "feedrate-store"
"""How the threads are called that wait for the answers. They last as long as the process."""
_INSTALL = dict.fromkeys(("s3", "s3a", "gs", "gcs", "http", "https"), "run `pip install 'feedrate[stores]'`")
"""What to do without the package of a scheme. Other schemes need one that the extra does not have."""
CONNECT_S, READ_S = 10, 30
"""Seconds without an answer after which a request has failed, and is sent again."""


def filesystem(path: StorePath) -> Any:
    """Return the filesystem, which fsspec keeps for the process.

    It repeats no request itself, so that each one is counted. Raises StoreError if fsspec does not know the scheme,
    or lacks the package for it.
    """
    import fsspec
    from fsspec.asyn import AsyncFileSystem

    try:
        files = fsspec.filesystem(path.scheme, **_options(path.scheme))
    except ImportError as error:
        raise StoreError(
            f"{path} cannot be opened ({one_line(str(error), 80)}): {_INSTALL.get(path.scheme, 'install that package')}"
        ) from error
    except ValueError:
        raise StoreError(
            f"{path} has the scheme {path.scheme!r}, which fsspec does not know: use s3, gs, https or another of its schemes"
        ) from None
    if isinstance(files, AsyncFileSystem):
        _name_threads(os.getpid())
    if path.scheme in ("s3", "s3a"):
        files.retries = 1
    return files


@lru_cache(1)
def _name_threads(_process: int) -> None:
    """Name the threads, too, in which fsspec's event loop looks up hosts and reads ~/.netrc. They last as long as it."""
    from fsspec.asyn import get_loop

    get_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix=THREADS))


def _options(scheme: str) -> dict[str, Any]:
    if scheme in ("s3", "s3a"):
        retries = {"total_max_attempts": 1}
        return {"config_kwargs": {"connect_timeout": CONNECT_S, "read_timeout": READ_S, "retries": retries}}
    if scheme in ("http", "https"):
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=READ_S)
        # trust_env: for ~/.netrc and proxies. encoded: a signature covers the query as it is written
        return {"client_kwargs": {"timeout": timeout, "trust_env": True}, "encoded": True}
    return {}
