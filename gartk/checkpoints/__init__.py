"""Checkpoints: opened from anything that names one, built, loaded into a model, saved and converted.

    checkpoint = Checkpoint.open("tiny")            # a shipped name, a folder, a work dir or a hub id
    model = checkpoint.build(device="cuda", dtype="bfloat16")
    checkpoint.convert("hf", "export", dtype="float16")
    Checkpoint.save(model, "folder")

Every format is a class in a file of its own (``native``, ``release``, ``huggingface``), registered below.
"""

from gartk.checkpoints.checkpoint import FORMATS, Checkpoint
from gartk.checkpoints.huggingface import HuggingFaceFormat
from gartk.checkpoints.native import NativeFormat
from gartk.checkpoints.release import ReleaseFormat
from gartk.checkpoints.sources import find_folder

for _format in (NativeFormat(), ReleaseFormat(), HuggingFaceFormat()):
    FORMATS[_format.name] = _format

__all__ = ["FORMATS", "Checkpoint", "find_folder"]
