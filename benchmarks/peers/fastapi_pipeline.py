"""FastAPI around ``transformers.pipeline``; a plain function, so it runs on FastAPI's thread pool."""

import os

import torch
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import pipeline

torch.set_num_threads(1)
classify = pipeline("text-classification", model=os.environ["PLAIN_MODEL"], top_k=None)
app = FastAPI()


class Message(BaseModel):
    """One message."""

    text: str


@app.post("/score")
def score(message: Message) -> list:
    """One message."""
    return classify(message.text, truncation=True, function_to_apply="sigmoid")
