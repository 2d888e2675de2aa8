from __future__ import annotations

import errno

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from feedrate.loaders.error_text import SHARED_MEMORY_FULL, describe, one_line


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Unnamed(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("no name")


class Nameless(Exception, metaclass=Unnamed):
    pass


class Rows(Dataset[torch.Tensor]):
    def __init__(self, error: Exception) -> None:
        self.error = error

    def __len__(self) -> int:
        return 4

    def __getitem__(self, row: int) -> torch.Tensor:
        raise self.error


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


RAISED, IN_WORKER = raised.__code__.co_firstlineno + 2, Rows.__getitem__.__code__.co_firstlineno + 1


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("cannot parse <b>[red]row[/red]</b>"), "ValueError: cannot parse <b>[red]row[/red]</b>"),
        (ValueError("two\n lines\tand a tab"), "ValueError: two lines and a tab"),
        (ValueError("a bell \a and \x1b[31m red \udcff"), r"ValueError: a bell \x07 and \x1b[31m red \udcff"),
        (ValueError(), f"ValueError without a message, raised in test_error_text.py line {RAISED}"),
        (AssertionError(" \n"), f"AssertionError without a message, raised in test_error_text.py line {RAISED}"),
        (SystemExit(3), "it called sys.exit(3)"),
        (SystemExit("no data"), "it called sys.exit('no data')"),
        (SystemExit(), "it called sys.exit()"),
        (KeyboardInterrupt(), f"KeyboardInterrupt without a message, raised in test_error_text.py line {RAISED}"),
        (Unprintable(), f"Unprintable with a message that cannot be printed, raised in test_error_text.py line {RAISED}"),
        (Nameless(), "an exception was raised that cannot be described"),
        (OSError(errno.ENOSPC, "No space left on device", "/dev/shm/torch_7"), SHARED_MEMORY_FULL),
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/file"),
            "OSError: [Errno 28] No space left on device: '/data/file'",
        ),
        (
            RuntimeError("unable to write to file </torch_42_1_0>: No space left on device (28)"),
            SHARED_MEMORY_FULL,
        ),
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's "
            "workers are out of shared memory. Please try to raise your shared memory limit."),
            SHARED_MEMORY_FULL,
        ),
    ],
)  # fmt: skip
def test_an_exception_is_described_in_one_line(error: BaseException, sentence: str) -> None:
    assert describe(raised(error)) == sentence


def test_a_long_message_is_cut_in_the_middle() -> None:
    text = describe(ValueError("begin " + "x" * 10_000_000 + " end"))
    assert len(text) == 300
    assert text.startswith("ValueError: begin xxx")
    assert text.endswith("xxx end")
    assert one_line("short") == "short"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("cannot parse row 7: 'N/A' <b>[red]x[/red]</b>"), "ValueError: cannot parse row 7: 'N/A' <b>[red]x[/red]</b>"),
        (ValueError("two\nlines"), "ValueError: two lines"),
        (KeyError("price"), "KeyError: 'price'"),
        (ValueError(), f"ValueError without a message, raised in test_error_text.py line {IN_WORKER}"),
    ],
)  # fmt: skip
def test_an_exception_in_a_worker_is_the_worker_s_own(error: Exception, sentence: str) -> None:
    with pytest.raises(type(error)) as caught:
        list(DataLoader(Rows(error), num_workers=1))
    assert describe(caught.value) == sentence
