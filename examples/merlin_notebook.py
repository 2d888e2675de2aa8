"""Run the flow of NVIDIA's notebook "Getting Started MovieLens: Training with PyTorch" and correct the throughput that it prints.

    feedrate install nvtabular
    feedrate prepare movielens-1m --etl nvtabular -o data/ml-1m-nvt
    python examples/merlin_notebook.py data/ml-1m-nvt --trust-workflow

TorchAsyncItr, DLDataLoader and Model come from NVTabular. This script has its own version of process_epoch, because NVTabular's
fails with KeyError 'genres' on the loader of 23.8. That loader yields flat dicts (genres__values, genres__offsets), but
process_epoch still expects pairs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from feedrate.bench.consumer.auc import auc
from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.workflows.process import WORKFLOW, refuse_untrusted
from feedrate.bench.host import venvs
from feedrate.loaders.errors import FeedrateError

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="Folder written by `feedrate prepare ... --etl nvtabular`.")
    parser.add_argument(
        "--trust-workflow", action="store_true", help="Load the dataset's workflow. This runs code from it."
    )
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32 * 1024)
    options = parser.parse_args()
    try:
        refuse_untrusted(options.dataset / WORKFLOW, trusted=options.trust_workflow)
        venvs.enter("nvtabular", sys.argv)
        run(read_dataset(options.dataset), options.epochs, options.batch_size)
    except FeedrateError as error:
        parser.exit(2, f"{error}\n")


def run(dataset: Dataset, epochs: int, batch_size: int) -> None:
    from feedrate.loaders.nvtabular import import_nvtabular

    import_nvtabular()
    from nvtabular.loader.torch import DLDataLoader  # pyright: ignore[reportMissingImports]

    sets = {split: _iterator(dataset, split, batch_size) for split in ("train", "valid")}
    loaders = {
        split: DLDataLoader(itr, batch_size=None, collate_fn=lambda batch: batch, pin_memory=False, num_workers=0)
        for split, itr in sets.items()
    }
    model = _model(dataset)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    rows, began = 0, perf_counter()
    for epoch in range(epochs):
        start = perf_counter()  # set again in each epoch, as in the notebook
        train_loss, trained, _, _ = _process_epoch(loaders["train"], model, optimizer)
        valid_loss, validated, predicted, truth = _process_epoch(loaders["valid"], model, None)
        rows += trained + validated
        area = auc(predicted, truth)
        print(
            f"Epoch {epoch:02d}. Train loss: {train_loss:.4f}. Valid loss: {valid_loss:.4f}. AUC:{area:4f}", flush=True
        )
    last_s, all_s = perf_counter() - start, perf_counter() - began
    counted = sum(itr.num_rows_processed for itr in sets.values())
    _explain(counted, rows, epochs, last_s, all_s, batches=sum(len(loader) for loader in loaders.values()))


def _iterator(dataset: Dataset, split: Any, batch_size: int) -> Any:
    import nvtabular  # pyright: ignore[reportMissingImports]
    from nvtabular.loader.torch import TorchAsyncItr  # pyright: ignore[reportMissingImports]

    schema = dataset.info.schema
    return TorchAsyncItr(
        nvtabular.Dataset([str(file) for file in dataset.split(split).files], engine="parquet"),
        batch_size=batch_size,
        cats=[column.name for column in (*schema.single_hot, *schema.multi_hot)],
        conts=[],
        labels=[schema.label],
    )


def _model(dataset: Dataset) -> torch.nn.Module:
    import nvtabular  # pyright: ignore[reportMissingImports]
    from nvtabular.framework_utils.torch.models import Model  # pyright: ignore[reportMissingImports]

    workflow = nvtabular.Workflow.load(str(dataset.folder / WORKFLOW))
    sizes = nvtabular.ops.get_embedding_sizes(workflow)
    print(f"embedding tables (ids, width): {sizes}")
    model: torch.nn.Module = Model(
        embedding_table_shapes=sizes,
        num_continuous=0,
        emb_dropout=0.0,
        layer_hidden_dims=[128, 128, 128],
        layer_dropout_rates=[0.0, 0.0, 0.0],
    ).to(DEVICE)
    return model


def _process_epoch(
    loader: Any, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None
) -> tuple[float, int, torch.Tensor, torch.Tensor]:
    """Return the mean loss, the rows delivered, the outputs and the labels. Train if there is an optimizer."""
    model.train(optimizer is not None)
    loss_sum, rows, outputs, labels = torch.zeros((), device=DEVICE), 0, [], []
    with torch.set_grad_enabled(optimizer is not None):
        for columns, label in loader:
            label = label.to(DEVICE)
            output = model(_inputs(columns), None).reshape(-1)
            loss = torch.nn.functional.mse_loss(output, label)
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.detach() * len(label)
            rows += len(label)
            outputs.append(output.detach())
            labels.append(label)
    return float(loss_sum) / rows, rows, torch.cat(outputs), torch.cat(labels)


def _inputs(columns: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, tuple[torch.Tensor, torch.Tensor]]]:
    """Convert a batch to the layout before 23.x, which Model expects.

    It consists of ids [B, columns], and of (values, starts [B, 1]) for each list column.
    """
    columns = {name: column.to(DEVICE).long() for name, column in columns.items()}
    lists = [name.removesuffix("__values") for name in columns if name.endswith("__values")]
    ids = [column for name, column in columns.items() if not name.endswith(("__values", "__offsets"))]
    bags = {name: (columns[f"{name}__values"], columns[f"{name}__offsets"][:-1, None]) for name in lists}
    return torch.stack(ids, 1), bags


def _explain(counted: int, rows: int, epochs: int, last_s: float, all_s: float, batches: int) -> None:
    printed, true = counted * epochs / last_s, rows / all_s
    print(
        f"run_time: {last_s} - rows: {counted * epochs} - epochs: {epochs} - dl_thru: {printed}\n\n"
        "The line above is the notebook's own. Two values in it are wrong:\n"
        f"  time  covers only the last epoch ({last_s:.1f} s), because `start` is set in each epoch. "
        f"All {epochs} epochs took {all_s:.1f} s.\n"
        f"  rows  num_rows_processed went up by {counted / batches:.0f} a batch, the number of entries in its dict of columns.\n"
        f"        It counts one epoch: {counted:,} times {epochs}. The loaders delivered {rows:,} rows.\n"
        f"printed  {printed:,.0f} rows/s\n"
        f"true     {true:,.0f} rows/s, {true / printed:,.0f} times as much, for training and validation together"
    )


if __name__ == "__main__":
    main()
