"""Train the model of train_with_cupy.py with Accelerate, on any number of processes.

pip install accelerate
feedrate prepare movielens-1m -o data/ml-1m
accelerate launch examples/train_with_accelerate.py data/ml-1m
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn
from train_with_cupy import Model

from feedrate import CupyLoader


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="Folder written by `feedrate prepare`.")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=8192)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoint"))
    options = parser.parse_args()

    accelerator = Accelerator()
    loader = CupyLoader(
        options.dataset,
        batch_size=options.batch_size,
        device=accelerator.device,
        rank=accelerator.process_index,
        world_size=accelerator.num_processes,
        drop_last=True,
    )
    model = Model(loader.schema)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    # The loader needs no prepare(): its batches are the rank's own, on the rank's device.
    model, optimizer = accelerator.prepare(model, optimizer)
    accelerator.register_for_checkpointing(loader)
    if options.checkpoint.exists():
        accelerator.load_state(options.checkpoint)
    for epoch in range(loader.state_dict()["epoch"], options.epochs):
        rows = torch.zeros((), device=accelerator.device)
        for batch in loader:
            loss = nn.functional.binary_cross_entropy_with_logits(model(batch), batch.label)
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            rows += batch.rows
        rows, loss = accelerator.reduce(rows), accelerator.reduce(loss.detach(), "mean")
        accelerator.print(f"epoch {epoch}: {rows:,.0f} rows on {accelerator.num_processes} rank(s), loss {loss:.4f}")
        accelerator.save_state(options.checkpoint)
    loader.close()
    accelerator.end_training()


if __name__ == "__main__":
    main()
