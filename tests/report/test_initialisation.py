"""What the model card says of the weights that a training began with."""

from types import SimpleNamespace

import pytest

from hrcam.report.chapters.model_card import initialisation_text


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"seed": 3}, "Random, with seed 3."),
        ({"weights": "/home/me/resnet_18.pth", "freeze": False}, "Weights from resnet_18.pth."),
        (
            {"weights": "w.pt", "freeze": True},
            "Weights from w.pt. Only the head of the network was trained.",
        ),
        (
            {"weights": "w.pt", "layer_decay": 0.75},
            "Weights from w.pt. Each block of the network had 0.75 of the learning rate of the "
            "next.",
        ),
    ],
)
def test_initial_weights_and_what_of_them_was_trained_are_told(config, text):
    assert initialisation_text(SimpleNamespace(config=config)) == text
