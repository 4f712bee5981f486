"""Transformers' MLflowCallback: a two-layer BERT made from its configuration, eight steps. Prints the run's id."""

import json
import os
import sys

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments


class Sentences(torch.utils.data.Dataset):
    def __len__(self):
        return 32

    def __getitem__(self, index):
        return {
            "input_ids": torch.full((8,), index % 30 + 1),
            "attention_mask": torch.ones(8, dtype=torch.long),
            "labels": torch.tensor(index % 2),
        }


def main(uri, folder):
    os.environ.update(MLFLOW_TRACKING_URI=uri, MLFLOW_EXPERIMENT_NAME="transformers", HF_HUB_OFFLINE="1")
    config = BertConfig(
        vocab_size=64, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, num_labels=2
    )
    arguments = TrainingArguments(
        output_dir=folder, num_train_epochs=2, per_device_train_batch_size=8, logging_steps=1, report_to=["mlflow"], run_name="tiny",
        save_strategy="no", use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(model=BertForSequenceClassification(config), args=arguments, train_dataset=Sentences())
    trainer.train()
    import mlflow

    print(json.dumps(mlflow.last_active_run().info.run_id))


if __name__ == "__main__":
    main(*sys.argv[1:])
