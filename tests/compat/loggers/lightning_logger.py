"""Lightning's MLFlowLogger: a tiny model, two epochs. Prints the run's id."""

import json
import sys

import lightning
import torch
from lightning.pytorch.loggers import MLFlowLogger


class Line(lightning.LightningModule):
    def __init__(self, learning_rate=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, _):
        inputs, targets = batch
        loss = torch.nn.functional.mse_loss(self.layer(inputs), targets)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, _):
        inputs, targets = batch
        self.log("val_loss", torch.nn.functional.mse_loss(self.layer(inputs), targets))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.learning_rate)


def main(uri, folder):
    inputs = torch.linspace(0, 1, 64).reshape(-1, 1)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(inputs, 2 * inputs), batch_size=16)
    logger = MLFlowLogger(
        experiment_name="lightning", tracking_uri=uri, run_name="line", tags={"kind": "logger"}, log_model="all"
    )
    trainer = lightning.Trainer(
        max_epochs=2, logger=logger, log_every_n_steps=1, default_root_dir=folder, enable_progress_bar=False, enable_model_summary=False,
        accelerator="cpu",
    )  # fmt: skip
    trainer.fit(Line(), loader, loader)
    print(json.dumps(logger.run_id))


if __name__ == "__main__":
    main(*sys.argv[1:])
