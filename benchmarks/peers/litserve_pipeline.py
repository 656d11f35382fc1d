"""LitServe around ``transformers.pipeline``, batching as its documentation shows."""

import os
import sys

import litserve
import torch
from transformers import pipeline


class Api(litserve.LitAPI):
    """Decode, predict in batches, encode."""

    def setup(self, device: str) -> None:
        """Load the model in the worker."""
        torch.set_num_threads(1)
        self.classify = pipeline("text-classification", model=os.environ["PLAIN_MODEL"], top_k=None, device=device)

    def decode_request(self, request: dict) -> str:
        """The text."""
        return request["text"]

    def predict(self, texts: list[str]) -> list:
        """Scores of a batch."""
        return self.classify(texts, batch_size=len(texts), truncation=True, function_to_apply="sigmoid")

    def encode_response(self, output: list) -> dict:
        """The reply."""
        return {"scores": output}


if __name__ == "__main__":
    api = Api(max_batch_size=16, batch_timeout=0.005, api_path="/score")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=2)
    server.run(port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
