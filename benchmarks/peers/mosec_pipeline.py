"""mosec around ``transformers.pipeline``, with its dynamic batching."""

import os

import torch
from mosec import Server, Worker
from transformers import pipeline


class Classifier(Worker):
    """Scores of a batch."""

    def __init__(self) -> None:
        super().__init__()
        torch.set_num_threads(1)
        self.classify = pipeline("text-classification", model=os.environ["PLAIN_MODEL"], top_k=None)

    def forward(self, data: list[dict]) -> list:
        """Scores of a batch."""
        texts = [item["text"] for item in data]
        return self.classify(texts, batch_size=len(texts), truncation=True, function_to_apply="sigmoid")


if __name__ == "__main__":
    server = Server()
    server.append_worker(Classifier, num=2, max_batch_size=16, max_wait_time=5)
    server.run()
