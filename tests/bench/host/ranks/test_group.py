"""What ranks exchange, and how they are told who they are."""

from __future__ import annotations

import numpy as np
import pytest

from feedrate.bench.host.ranks.group import ALONE, Launched, first_decides, is_loss, joint, total, word_total
from feedrate.loaders.errors import FeedrateError

VARIABLES = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


class Two:
    """Rank 0 of two, whose peer gives what the test says."""

    rank, size, local_rank = 0, 2, 0

    def __init__(self, peer: bytes) -> None:
        self._peer = peer

    def all(self, value: bytes) -> list[bytes]:
        return [value, self._peer]

    def barrier(self) -> None:
        return None


def test_numbers_are_added_up() -> None:
    assert total(Two(b"5"), 7) == 12
    assert total(ALONE, 7) == 7


def test_words_are_added_up_modulo_two_to_the_64() -> None:
    words = np.array([1, 2**64 - 1], np.uint64)
    assert word_total(Two(np.array([4, 3], np.uint64).tobytes()), words).tolist() == [5, 2]
    assert word_total(ALONE, words) is words


def test_arrays_are_joined_in_the_order_of_ranks() -> None:
    assert joint(Two(np.array([3.0], np.float32).tobytes()), np.array([1.0, 2.0], np.float32)).tolist() == [1, 2, 3]


def test_rank_0_decides() -> None:
    assert first_decides(Two(b""), lambda: True)
    assert not first_decides(Two(b"yes"), lambda: False)


def test_the_variables_of_torchrun_are_read() -> None:
    launched = Launched.of(VARIABLES)
    assert (launched.rank, launched.local_rank, launched.size, launched.size_here) == (1, 1, 2, 2)
    assert Launched.of({**VARIABLES, "LOCAL_WORLD_SIZE": "1"}).size_here == 1
    assert launched.device_of("cuda") == "cuda:1"
    assert launched.device_of("cpu") == "cpu"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("RANK", "", "RANK is '', but must be a whole number"),
        ("RANK", "2", "RANK is 2, but must be less than WORLD_SIZE"),
        ("WORLD_SIZE", "two", "WORLD_SIZE is 'two', but must be a whole number"),
        ("MASTER_PORT", "", "MASTER_PORT is not set"),
    ],
)
def test_wrong_variables_are_named(name: str, value: str, sentence: str) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        Launched.of({**VARIABLES, name: value})


def test_ranks_cannot_share_a_gpu() -> None:
    with pytest.raises(FeedrateError, match="each rank takes a GPU of its own"):
        Launched.of(VARIABLES).device_of("cuda:0")


@pytest.mark.parametrize(
    "sentence",
    [
        "RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1",
        "another rank has ended or does not answer (Timed out)",
        "DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:2356",
    ],
)
def test_a_lost_rank_is_told_from_an_error_of_the_loader(sentence: str) -> None:
    assert is_loss(sentence)
    assert not is_loss("ValueError: file 17 is missing")
