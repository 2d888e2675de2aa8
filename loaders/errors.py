"""The errors a user can cause or meet: one sentence each, no traceback, exit code 2."""


class FeedrateError(Exception):
    """What is wrong, the offending value and the way out, in one sentence."""


class LoaderUnavailable(FeedrateError):
    """A loader's library or device is missing here; the sentence says how to get it."""
