"""How faults of the timed epochs, of the form of batches and of what is done beside the clock must be caught."""

from __future__ import annotations

from feedrate.bench.selftest.planted_fault import PlantedFault

TIMED_FAULTS = (
    PlantedFault("repeats_while_timed", "void", "timed epoch 1: batch 3 repeats batch 2"),
    PlantedFault(
        "labels_every_second_epoch",
        "void",
        "timed epoch 2: .* rows are not in the train split: the values of the label match the dataset but belong to different rows",
    ),
    PlantedFault(
        "valid_rows",
        "void",
        "timed epoch 1: (.* they are rows of the valid split|batch .* repeats batch .*|.* do not add up to those of the train split)",
    ),
    PlantedFault("large_batches", "void", "has 2,048 rows, but (the batch size is 512|must have the batch size, 512)"),
    PlantedFault(
        "short_batch_first", "void", "timed epoch 1: batch 1 of 8 has 416 rows, but must have the batch size, 512"
    ),
    PlantedFault(
        "lazy_tensors", "void", "is a LazyTensor, a subclass of torch.Tensor, but must be a plain torch.Tensor"
    ),
    PlantedFault("tuples", "failed", r"it yields a tuple, but must yield a feedrate\.loaders\.base\.Batch"),
    PlantedFault("label_column", "void", r"the label has shape \[512, 1\], but must have shape \[512\]"),
    PlantedFault("column_missing", "void", "a batch lacks the single-hot column movieId"),
    PlantedFault("column_extra", "void", "a batch has the continuous column index, which the schema lacks"),
    PlantedFault("columns_swapped", "void", "the single-hot columns are movieId, userId, but must be userId, movieId"),
    PlantedFault("zeros_negated", "void", "timed epoch 1: .*the values of the label (are wrong|do not add up)"),
    PlantedFault("clock_replaced", "void", r"it replaced time\.monotonic"),
    PlantedFault("optimizer_replaced", "void", r"it replaced torch\.optim\.adam\.Adam\.step"),
    PlantedFault("harness_replaced", "void", r"it replaced feedrate\.bench\.timing\.clock\.now"),
    PlantedFault("threads_changed", "flagged", r"it changed torch's number of threads from \d+ to [34]"),
    PlantedFault("precision_changed", "void", "it changed torch's float32 matmul precision from highest to medium"),
    PlantedFault("gradients_off", "void", "it changed torch's grad mode from True to False"),
    PlantedFault(
        "prepares_epochs", "flagged", "an epoch that the loader could not expect took .* was done before the clock"
    ),
    PlantedFault(
        "works_between",
        "flagged",
        "the loader worked between the timed epochs: .* CPU seconds",
        settings={"mode": "train"},
    ),
    PlantedFault(
        "over_budget",
        "flagged",
        r"the loader held \d+ MB of host memory, over its budget of 100 MB",
        settings={"memory_budget_bytes": 10**8},
        cpu=True,
    ),
    PlantedFault(
        "later_evaluations_wrong",
        "void",
        "the valid split, after epoch 2: .* rows are not in the valid split: the values of the label match",
        settings={"mode": "train"},
    ),
    PlantedFault("same_batches", "flagged", "timed epoch 2 had the batches of timed epoch 1 in another order"),
)
