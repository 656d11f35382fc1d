"""The usual way: Flask around ``transformers.pipeline``, one thread a worker."""

import os

import torch
from flask import Flask, jsonify, request
from transformers import pipeline

torch.set_num_threads(1)
classify = pipeline("text-classification", model=os.environ["PLAIN_MODEL"], top_k=None)
app = Flask(__name__)


@app.post("/score")
def score():  # noqa: ANN201
    """One message."""
    return jsonify(classify(request.get_json()["text"], truncation=True, function_to_apply="sigmoid"))
