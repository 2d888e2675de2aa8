"""Lightning saves and loads the loader's place by itself, whatever the batch at which a checkpoint was taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from feedrate.bench.datasets.canonical import Dataset
from feedrate.loaders import CupyLoader
from feedrate.loaders.base import Batch

lightning = pytest.importorskip("lightning", reason="needs Lightning: pip install lightning")
BATCHES, EPOCHS = 4, 3


class Recorder(lightning.LightningModule):  # type: ignore[misc, name-defined]
    """Notes the first user of every batch, with the epoch and the number of the step."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.loader = CupyLoader(folder, batch_size=1000, device="cpu")
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[int, int, int]] = []

    def train_dataloader(self) -> CupyLoader:
        return self.loader

    def on_train_epoch_start(self) -> None:
        self.loader.set_epoch(self.current_epoch)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        self.seen.append((self.current_epoch, batch_idx, int(batch.ids["userId"][0])))
        return self.weight * batch.label.mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def _seen(small: Dataset, folder: Path, *, checkpoint: Path | None = None, **saving: Any) -> list[tuple[int, int, int]]:
    module = Recorder(small.folder)
    callbacks = [lightning.pytorch.callbacks.ModelCheckpoint(folder, filename="{step}", save_top_k=-1, **saving)]
    trainer = lightning.Trainer(
        max_epochs=EPOCHS, accelerator="cpu", devices=1, logger=False, callbacks=callbacks, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, ckpt_path=checkpoint)
    module.loader.close()
    return module.seen


@pytest.mark.parametrize("saving", [{"every_n_train_steps": 1}, {"every_n_epochs": 1}], ids=["steps", "epochs"])
def test_a_resumed_run_sees_the_batches_that_were_left(small: Dataset, tmp_path: Path, saving: dict[str, int]) -> None:
    whole = _seen(small, tmp_path, **saving)
    with CupyLoader(small.folder, batch_size=1000, device="cpu") as loader:
        assert whole == [
            (epoch, step, int(batch.ids["userId"][0]))
            for epoch in range(EPOCHS)
            for step, batch in enumerate(loader.epoch(epoch))
        ]
    steps = (1, BATCHES, BATCHES + 1) if "every_n_train_steps" in saving else (BATCHES,)
    for step in steps:
        checkpoint = tmp_path / f"step={step}.ckpt"
        assert _seen(small, tmp_path / "resumed", checkpoint=checkpoint, **saving) == whole[step:]
