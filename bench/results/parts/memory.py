"""What the kernel counted of a trial with a memory limit."""

from __future__ import annotations

from dataclasses import dataclass

from feedrate.bench.results.bounds import Bytes, Count


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRecord:
    """Memory of all processes of the trial together, and the pages of files that they brought into the page cache."""

    limit_bytes: Bytes
    peak_bytes: Bytes | None
    """The most in use at once. The page cache fills what the processes leave. None if the kernel does not count it."""
    kills: Count
    """Processes that the kernel killed because nothing was left to drop."""
    refault_bytes: Bytes
    """Pages of files that were dropped for the limit and read again."""

    def killed(self) -> str:
        """Return a sentence if the kernel killed a process. Empty if it did not."""
        if not self.kills:
            return ""
        killed = "a process" if self.kills == 1 else f"{self.kills:,} processes"
        return f"it needed more than its limit of {self.limit_bytes / 1e6:,.0f} MB, so the kernel killed {killed} of it"
