"""Train the model of train_with_cupy.py with Lightning. Each rank makes its own loader, and checkpoints hold its place.

pip install lightning
feedrate prepare movielens-1m -o data/ml-1m
python examples/train_with_lightning.py data/ml-1m
"""

from __future__ import annotations

import argparse
from pathlib import Path

import lightning
import torch
from torch import nn
from train_with_cupy import Model

from feedrate import Batch, CupyLoader


class Training(lightning.LightningModule):
    def __init__(self, dataset: Path, batch_size: int) -> None:
        super().__init__()
        self.dataset, self.batch_size = dataset, batch_size

    def setup(self, stage: str) -> None:  # Lightning calls it in each rank's process: a loader cannot be sent to one
        settings = {
            "batch_size": self.batch_size,
            "device": self.trainer.strategy.root_device,
            "rank": self.trainer.global_rank,
            "world_size": self.trainer.world_size,
        }
        self.train_loader = CupyLoader(self.dataset, drop_last=True, **settings)
        self.valid_loader = CupyLoader(self.dataset, split="valid", shuffle=False, **settings)
        self.model = Model(self.train_loader.schema)

    def train_dataloader(self) -> CupyLoader:
        return self.train_loader

    def val_dataloader(self) -> CupyLoader:
        return self.valid_loader

    def on_train_epoch_start(self) -> None:  # a run that resumes between epochs would begin with epoch 0 again
        self.train_loader.set_epoch(self.current_epoch)

    def training_step(self, batch: Batch) -> torch.Tensor:
        return self.loss("loss", batch)

    def validation_step(self, batch: Batch) -> None:
        self.loss("valid_loss", batch, sync_dist=True)

    def loss(self, name: str, batch: Batch, *, sync_dist: bool = False) -> torch.Tensor:
        loss = nn.functional.binary_cross_entropy_with_logits(self.model(batch), batch.label)
        self.log(name, loss, batch_size=batch.rows, prog_bar=True, sync_dist=sync_dist)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.01)

    def teardown(self, stage: str) -> None:
        self.train_loader.close()
        self.valid_loader.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="Folder written by `feedrate prepare`.")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=8192)
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    options = parser.parse_args()

    save = lightning.pytorch.callbacks.ModelCheckpoint(options.checkpoints, save_last=True)
    trainer = lightning.Trainer(max_epochs=options.epochs, callbacks=[save], logger=False)
    trainer.fit(Training(options.dataset, options.batch_size), ckpt_path="last")
    print(f"{trainer.global_step} steps: loss {trainer.callback_metrics['valid_loss']:.4f} on the valid split")


if __name__ == "__main__":
    main()
