"""How the rules of conformance must catch the faults in loaders/testing/planted_orders.py."""

from __future__ import annotations

from feedrate.bench.selftest.planted_fault import PlantedFault

_SAME = "^other_order_in_other_epoch: epochs 0 and"

ORDER_FAULTS: tuple[PlantedFault, ...] = tuple(
    PlantedFault(name, "rule", pattern)
    for name, pattern in (
        ("order_rotated", f"{_SAME} 1 have the same order, rotated by 37 rows"),
        ("order_reversed", f"{_SAME} 1 have the same order, reversed"),
        ("order_few_swaps", f"{_SAME} 1 have the same order, unchanged, but for .* rows that moved"),
        ("same_batches", f"{_SAME} 1 have the same batches in another order"),
        ("orders_alternate", f"{_SAME} 2 have the same order"),
        ("blocks_kept", "^neighbours_apart: in epoch 0, .* blocks of rows are kept together"),
        ("workers_one_seed", "^neighbours_apart: in epoch 0, .* as if workers shared one seed"),
        ("halves_kept", "^tail_changes: in epochs 0 to 4, at least 100% .* the same rows come late in every epoch"),
        ("order_by_calls", "^same_order_after_other_epochs: epoch 3 of a fresh loader has 100% of the rows at another"),
        ("seed_ignored", "^other_order_for_other_seed: two seeds have the same order in epoch 0"),
        ("seed_ignored_later", "^other_order_for_other_seed: two seeds have the same order in epoch 3"),
        ("rank_stuck", "^ranks_reshuffle: on rank 0 of 3, epochs 0 and 1 have the same order"),
        (
            "row_missing_later",
            "^every_row_once: with shuffle=True, in epoch 2, 1 of .* missing and 1 are delivered more",
        ),
        ("batch_size_ignored", "^only_last_batch_short: a batch has 2,048 rows, but the batch size is 512"),
        ("two_buffers", "^contents_intact: in epochs 1 and 3, label differs from the file, the others are right"),
        ("rank_labels", "^ranks_contents_intact: on rank 1 of 3, .*label differs from the file"),
        ("abandoned_harms", "^abandoned_epoch: after an abandoned epoch, in epoch 2, .* rows are missing"),
        ("ids_int16", "^dtypes: user's dtype is torch.int16, but must be int32 or int64, nothing narrower"),
        ("ids_beyond_32_bits", "^contents_intact: user differs from the file, the others are right"),
        ("negative_zero", "^contents_intact: label differs from the file, the others are right"),
        ("columns_swapped", "^columns_by_kind: the single-hot columns are user, row, but must be row, user"),
        ("label_column", r"^dtypes: the label has shape \[512, 1\], but must have shape \[512\]"),
    )
)
"""The message begins with the rule: a mistake is reported once, under the first rule that it breaks."""
