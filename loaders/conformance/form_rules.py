"""Rules about opening and closing a loader, the form of its batches, and the rows in one rank's epochs."""

from __future__ import annotations

import numpy as np
import torch

from feedrate.loaders.base import Batch
from feedrate.loaders.conformance.case import CLOSING, READING, Case
from feedrate.loaders.conformance.reading import Epoch, epochs, read_epoch, require_sound, sound_epochs
from feedrate.loaders.form import FormBroken, plain_batch, require_size, spoken
from feedrate.loaders.rule_result import RuleBroken


def opens(case: Case) -> None:
    """The loader opens, and closes without having been read."""
    with case.opened():
        pass


def epochs_end(case: Case) -> None:
    """Epochs 0 to 4 come to an end, without an error."""
    _require_no_problem(case, "epochs_end")


def plain_batches(case: Case) -> None:
    """Every batch is a Batch of plain tensors. Neither is an instance of a subclass."""
    _require_no_problem(case, "plain_batches")


def columns_by_kind(case: Case) -> None:
    """A batch has all columns of the schema, each under its kind and in order, and no others."""
    _require_no_problem(case, "columns_by_kind")


def dtypes(case: Case) -> None:
    """Tensors have one dimension and the contract's dtypes. All columns of a batch have the same number of rows."""
    _require_no_problem(case, "dtypes")


def device(case: Case) -> None:
    """Every tensor is on the trial's device."""
    _require_no_problem(case, "device")


def every_row_once(case: Case) -> None:
    """Each of epochs 0 to 4 delivers each row exactly once, shuffled or not."""
    for shuffle in (True, False):
        for epoch in sound_epochs(case, shuffle=shuffle):
            require_each_once(epoch.order, case.split.rows, f"with shuffle={shuffle}, in epoch {epoch.index}")


def only_last_batch_short(case: Case) -> None:
    """All batches have batch_size rows, except that the last one may have fewer."""
    for epoch in sound_epochs(case):
        require_sizes(epoch, case.config.batch_size)


def contents_intact(case: Case) -> None:
    """Every column of every row equals the file's in epochs 0 to 4, bit by bit, including empty and very long bags."""
    require_contents(case, sound_epochs(case), "")


def earlier_batches_unchanged(case: Case) -> None:
    """A batch that the consumer keeps does not change when later batches are made, in this epoch or the next."""
    with case.opened() as loader:
        kept = []
        for number, delivered in enumerate(loader.epoch(0)):
            case.say(READING)
            batch = _plain(delivered)
            kept.append((batch, [tensor.clone() for tensor in batch.tensors()]))
            if number * case.config.batch_size > case.split.rows:  # an epoch that does not end
                break
        require_sound(read_epoch(case, loader, 1))
        for number, (batch, copies) in enumerate(kept):
            unchanged = all(torch.equal(now, then) for now, then in zip(batch.tensors(), copies, strict=True))
            require(unchanged, f"batch {number} changed after it was delivered")


def file_order_without_shuffle(case: Case) -> None:
    """With shuffle=False, rows come in the order of the files in every epoch."""
    for epoch in sound_epochs(case, shuffle=False):
        order = epoch.order
        right = np.array_equal(order, np.arange(case.split.rows))
        require(right, f"epoch {epoch.index} starts with rows {order[:5].tolist()}")


def close_twice(case: Case) -> None:
    """close() may be called twice, and in the middle of an epoch."""
    loader = case.open()
    case.say(READING)
    next(iter(loader.epoch(0)))
    case.say(CLOSING)
    loader.close()
    loader.close()


def require(holds: bool, detail: str) -> None:
    """Raise RuleBroken with the detail unless the condition holds."""
    if not holds:
        raise RuleBroken(detail)


def require_each_once(order: np.ndarray, rows: int, when: str) -> None:
    """Raise RuleBroken unless the order holds each of `rows` rows exactly once."""
    outside = order[(order < 0) | (order >= rows)]
    if len(outside):
        raise RuleBroken(f"{when}, a row has the number {outside[0]}, but the files have rows 0 to {rows - 1}")
    counts = np.bincount(order, minlength=rows)
    missing, repeated = int(np.sum(counts == 0)), int(np.sum(counts > 1))
    require(
        not missing and not repeated,
        f"{when}, {missing} of {rows} rows are missing and {repeated} are delivered more than once",
    )


def require_sizes(epoch: Epoch, batch_size: int) -> None:
    """Raise RuleBroken unless every batch but the last one has batch_size rows."""
    for number, rows in enumerate(epoch.sizes):
        try:
            require_size(rows, batch_size=batch_size, last=number == len(epoch.sizes) - 1)
        except FormBroken as error:
            raise RuleBroken(str(error)) from error


def require_contents(case: Case, read: list[Epoch], place: str) -> None:
    """Raise RuleBroken unless no epoch has wrong columns. place: text for the message, before the number of the epoch."""
    names = case.split.schema.columns
    wrong = [spoken(name) for name in names if any(name in epoch.wrong for epoch in read)]
    if not wrong:
        return
    right = [spoken(name) for name in names if not any(name in epoch.wrong for epoch in read)]
    if len(right) == 1 and len(names) > 3:
        sentence = f"all columns but {right[0]} differ from the file's: {right[0]} belongs to other rows"
    else:
        others = ", the others are right" if right else ""
        sentence = f"{listed(wrong)} {'differ' if len(wrong) > 1 else 'differs'} from the file{others}"
    where = [str(epoch.index) for epoch in read if epoch.wrong]
    if place or len(where) < len(read):
        sentence = f"{place}in epoch{'s' * (len(where) > 1)} {listed(where)}, {sentence}"
    raise RuleBroken(sentence)


def listed(words: list[str]) -> str:
    """Return the words as a list in a sentence: "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _require_no_problem(case: Case, rule: str) -> None:
    """Raise RuleBroken with the sentence of this rule, or else with a problem that hides whether the rule holds."""
    read = epochs(case)
    for epoch in read:
        if rule in epoch.problems:
            raise RuleBroken(epoch.problems[rule])
    hidden_by = "epochs_end" if rule == "plain_batches" else "plain_batches"
    for epoch in read:
        if hidden_by in epoch.problems and rule != "epochs_end":
            raise RuleBroken(epoch.problems[hidden_by])


def _plain(delivered: object) -> Batch:
    try:
        return plain_batch(delivered)
    except FormBroken as error:
        raise RuleBroken(str(error)) from error
