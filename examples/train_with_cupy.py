"""Train an embedding model on MovieLens with CupyLoader, with a checkpoint that resumes in the middle of an epoch.

feedrate prepare movielens-1m -o data/ml-1m
python examples/train_with_cupy.py data/ml-1m
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn

from feedrate import Batch, CupyLoader, Schema


class Model(nn.Module):
    """One embedding table for each categorical column, followed by two linear layers."""

    def __init__(self, schema: Schema, width: int = 32) -> None:
        super().__init__()
        self.single = nn.ModuleDict({c.name: nn.Embedding(c.cardinality, width) for c in schema.single_hot})
        self.multi = nn.ModuleDict(
            {
                c.name: nn.EmbeddingBag(c.cardinality, width, mode="sum", include_last_offset=True)
                for c in schema.multi_hot
            }
        )
        inputs = width * (len(self.single) + len(self.multi)) + len(schema.continuous)
        self.layers = nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, batch: Batch) -> torch.Tensor:
        parts = [self.single[name](ids) for name, ids in batch.ids.items()]
        parts += [self.multi[name](values, offsets) for name, (values, offsets) in batch.bags.items()]
        parts += [column[:, None] for column in batch.dense.values()]
        return self.layers(torch.cat(parts, 1)).squeeze(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="Folder written by `feedrate prepare`.")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=8192)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoint.pt"))
    options = parser.parse_args()

    loader = CupyLoader(options.dataset, batch_size=options.batch_size)
    model = Model(loader.schema).to(loader.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    first_epoch = 0
    if options.checkpoint.exists():
        saved = torch.load(options.checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        loader.load_state_dict(saved["loader"])
        first_epoch = saved["loader"]["epoch"]
    for epoch in range(first_epoch, options.epochs):
        for batch in loader:
            loss = nn.functional.binary_cross_entropy_with_logits(model(batch), batch.label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step = loader.state_dict()["batches"]
            if step % 50 == 1:
                print(f"epoch {epoch}, step {step} of {len(loader)}: loss {loss.item():.4f}", flush=True)
                state = {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "loader": loader.state_dict(),
                }
                torch.save(state, options.checkpoint)
    options.checkpoint.unlink(missing_ok=True)
    loader.close()


if __name__ == "__main__":
    main()
