import csv
import pickle
import re

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from hrcam.errors import TrainingError
from hrcam.networks import SmallCNN
from hrcam.training import classifier
from hrcam.training.classifier import train_classifier
from hrcam.training.config import Hardware
from hrcam.training.images import ImageDataset
from hrcam.training.objectives import WeightedCrossEntropy

CPU = Hardware(accelerator="cpu")


class KilledError(Exception):
    pass


def squares(count, seed, strength=1.5):
    generator = np.random.default_rng(seed)
    images = generator.normal(0, 1, (count, 1, 16, 16)).astype(np.float32)
    labels = np.arange(count) % 2
    images[labels == 1, :, 4:9, 4:9] += strength
    return images, labels


def noisy(image, draw):
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(draw))
    return image + 0.1 * noise


def cnn():
    torch.manual_seed(0)
    return SmallCNN(2, 1, 2, (4, 8))


class Count:
    """What a training says of its epochs."""

    def __init__(self):
        self.done = self.skipped = 0
        self.notes = []

    def update(self, note):
        self.done += 1
        self.notes.append(note)

    def skip(self, count):
        self.skipped += count


def trained(folder=None, epochs=6, patience=None, validation=True, network=None, progress=None):
    network = network or cnn()
    images, labels = squares(48, 1)
    train_classifier(
        network,
        ImageDataset(images, labels, noisy),
        epochs=epochs,
        batch_size=8,
        learning_rate=5e-3,
        validation=ImageDataset(*squares(32, 2)) if validation else None,
        patience=patience,
        checkpoints=folder and folder / "checkpoints",
        hardware=CPU,
        progress=progress,
    )
    return network


def equal(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def history(folder):
    with (folder / "history.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_an_easy_task_is_learnt():
    network = trained(epochs=15, validation=False)
    images, labels = squares(200, 3)
    with torch.no_grad():
        predicted = network(torch.from_numpy(images)).argmax(1).numpy()
    assert (predicted == labels).mean() > 0.9
    assert not any(module.training for module in network.modules())


def test_the_same_seed_gives_the_same_weights(tmp_path):
    first, second = trained(tmp_path / "a"), trained(tmp_path / "b")
    assert equal(first, second)
    assert (tmp_path / "a/history.tsv").read_bytes() == (tmp_path / "b/history.tsv").read_bytes()


def test_a_network_in_evaluation_mode_is_trained_as_in_training_mode():
    network = trained(network=cnn().eval())
    assert equal(network, trained())
    means = [value for name, value in network.state_dict().items() if "running_mean" in name]
    assert means
    assert all(mean.abs().max() > 0 for mean in means)


def test_two_processes_train_what_one_trains(tmp_path):
    """Without batch normalisation, which sees the part of a batch that a process has."""
    images, labels = squares(46, 1)
    np.save(tmp_path / "images.npy", images)
    found = []
    for devices in (1, 2):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        )
        data = ImageDataset(np.load(tmp_path / "images.npy", mmap_mode="r"), labels, noisy)
        train_classifier(
            network,
            data.subset(np.arange(40)),
            epochs=3,
            batch_size=8,
            learning_rate=5e-2,
            validation=data.subset(np.arange(40, 46)),
            patience=3,
            checkpoints=tmp_path / str(devices) / "checkpoints",
            hardware=Hardware(accelerator="cpu", devices=devices),
        )
        found.append(network.state_dict())
    for name, values in found[0].items():
        torch.testing.assert_close(found[1][name], values, rtol=1e-4, atol=1e-5)
    one, two = (history(tmp_path / str(devices)) for devices in (1, 2))
    assert len(one) == len(two) == 3
    for first, second in zip(one, two, strict=True):
        assert float(second["loss"]) == pytest.approx(float(first["loss"]), abs=1e-4)
        expected = pytest.approx(float(first["validation_loss"]), abs=1e-4)
        assert float(second["validation_loss"]) == expected


def test_images_that_are_mapped_from_a_file_are_not_copied_to_another_process(tmp_path):
    np.save(tmp_path / "images.npy", squares(200, 1)[0])
    data = ImageDataset(np.load(tmp_path / "images.npy", mmap_mode="r"), np.arange(200) % 2)
    sent = pickle.dumps(data.subset(np.arange(150, 200)))
    assert len(sent) < 5000
    found, label = pickle.loads(sent)[7]
    assert torch.equal(found, data[157][0])
    assert label == 1


@pytest.mark.parametrize("epoch", [1, 3, 5])
def test_an_interrupted_training_ends_as_if_it_had_not_been(tmp_path, monkeypatch, epoch):
    undisturbed = trained(tmp_path / "a")

    class Kill(Callback):
        def on_train_batch_start(self, trainer, module, batch, index):
            if trainer.current_epoch == epoch and index == 2:
                raise KilledError

    real = classifier.lightning.Trainer

    def trainer(**options):
        return real(**(options | {"callbacks": [*options["callbacks"], Kill()]}))

    monkeypatch.setattr(classifier.lightning, "Trainer", trainer)
    with pytest.raises(KilledError):
        trained(tmp_path / "b")
    monkeypatch.undo()
    assert len(history(tmp_path / "b")) == epoch
    count = Count()
    assert equal(trained(tmp_path / "b", progress=count), undisturbed)
    assert (count.done, count.skipped) == (6 - epoch, epoch)
    assert all(re.fullmatch(r"loss [\d.]+, validation loss [\d.]+", note) for note in count.notes)
    assert (tmp_path / "a/history.tsv").read_bytes() == (tmp_path / "b/history.tsv").read_bytes()


def test_a_training_that_was_killed_before_its_first_last_checkpoint_ends_as_if_not(tmp_path):
    undisturbed = trained(tmp_path / "a")
    trained(tmp_path / "b", epochs=1)
    (tmp_path / "b/checkpoints/last.ckpt").unlink()
    assert (tmp_path / "b/checkpoints/best.ckpt").exists()
    assert equal(trained(tmp_path / "b"), undisturbed)


def test_training_stops_early_and_keeps_the_best_weights(tmp_path):
    network = cnn()
    images, _ = squares(48, 1)
    noise = ImageDataset(images, np.random.default_rng(0).permutation(np.arange(48) % 2), noisy)
    watched = ImageDataset(*squares(32, 2))
    train_classifier(
        network,
        noise,
        epochs=60,
        batch_size=8,
        learning_rate=1e-2,
        validation=watched,
        patience=3,
        checkpoints=tmp_path / "checkpoints",
        hardware=CPU,
    )
    losses = [float(row["validation_loss"]) for row in history(tmp_path)]
    assert len(losses) < 60
    assert len(losses) == int(np.argmin(losses)) + 1 + 3
    with torch.no_grad():
        logits = network(torch.from_numpy(squares(32, 2)[0]))
    loss = torch.nn.functional.cross_entropy(logits, watched.targets)
    assert float(loss) == pytest.approx(min(losses), abs=1e-5)


@pytest.mark.parametrize("balance", ["loss", "sampling"])
def test_rare_classes_count_as_much(balance):
    generator = np.random.default_rng(0)
    images = generator.normal(0, 1, (66, 1, 16, 16)).astype(np.float32)
    labels = (np.arange(66) % 11 == 0).astype(int)  # 6 of 66
    images[labels == 1, :, 4:9, 4:9] += 1.5
    network = cnn()
    train_classifier(
        network, ImageDataset(images, labels, noisy),
        WeightedCrossEntropy.of(torch.as_tensor(labels), balance),
        epochs=20, batch_size=8, hardware=CPU, learning_rate=5e-3,
    )  # fmt: skip
    new, truth = squares(100, 5)
    with torch.no_grad():
        found = network(torch.from_numpy(new)).argmax(1).numpy()
    assert found[truth == 1].mean() > 0.7


@pytest.mark.parametrize("watched", [True, False])
def test_a_training_that_diverges_ends_with_what_to_do(tmp_path, watched):
    images, labels = squares(16, 1)
    with pytest.raises(TrainingError, match=r"loss became nan.*32-true"):
        train_classifier(
            cnn(), ImageDataset(images, labels), epochs=3, batch_size=8, learning_rate=1e30,
            validation=ImageDataset(*squares(8, 2)) if watched else None, patience=2,
            checkpoints=tmp_path / "checkpoints", hardware=CPU,
        )  # fmt: skip
    assert len(history(tmp_path)) == 1
