"""A training run that can be stopped after any batch and continue as if it had not been: its state, in a file."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from mnist.errors import CheckpointError, WeightsError
from mnist.files import interrupt_deferred
from mnist.network import Parameters, initial_parameters
from mnist.optimizers import OPTIMIZERS, Optimizer
from mnist.weights import check_parameters, load_tensors, save_tensors


@dataclass(frozen=True)
class Options:
    """Everything that, with the digits, decides which weights a run gives; the number of threads does not."""

    epochs: int = 10
    batch: int = 64
    optimizer: str = "rmsprop"
    learning_rate: float | None = None  # None: the optimiser's own
    seed: int = 0
    dropout: bool = True
    copies: bool = True  # learn from varied copies of the digits (vary.py), not from the digits as they are


@dataclass(frozen=True)
class Epoch:
    """What was measured in one epoch: the mean loss and the share of digits named correctly.

    In training: over all batches, each before its update, with dropout. In validation: after the epoch's last update.
    """

    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float  # of training, without validation


@dataclass
class Run:
    """The state of a run. `batches`, `loss`, `right` and `seconds` are those of the current epoch so far."""

    options: Options
    digits: str  # fingerprint of the digits it learns from
    parameters: Parameters
    optimizer: Optimizer
    best: Parameters
    epochs: list[Epoch] = field(default_factory=list)
    batches: int = 0
    loss: float = 0.0
    right: int = 0
    seconds: float = 0.0
    saved: bool = False  # whether there is a checkpoint from which this run can continue

    @classmethod
    def begin(cls, options: Options, digits: str) -> "Run":
        """A run before its first batch."""
        parameters = initial_parameters(options.seed)
        optimizer = OPTIMIZERS[options.optimizer](parameters, options.learning_rate)
        return cls(options, digits, parameters, optimizer, copy_of(parameters))

    def finish_epoch(self, epoch: Epoch) -> bool:
        """Record an epoch's results and begin the next; return whether it gave the best weights so far."""
        best = all(rank(epoch) > rank(earlier) for earlier in self.epochs)
        if best:
            self.best = copy_of(self.parameters)
        self.epochs.append(epoch)
        self.batches, self.loss, self.right, self.seconds = 0, 0.0, 0, 0.0
        return best

    def save(self, file: Path) -> None:
        """Write the state of the run between two batches. Raises OutputError."""
        groups = {"parameters": self.parameters, "optimizer": self.optimizer.state, "best": self.best}
        tensors = {f"{group}/{name}": value for group, values in groups.items() for name, value in values.items()}
        about = {
            "options": asdict(self.options),
            "digits": self.digits,
            "steps": self.optimizer.steps,
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "batches": self.batches,
            "loss": self.loss,
            "right": self.right,
            "seconds": self.seconds,
        }
        with interrupt_deferred():
            save_tensors(file, tensors, about)
            self.saved = True

    @classmethod
    def load(cls, file: Path) -> "Run":
        """The run that was saved. Raises CheckpointError if there is none or it is damaged."""
        if not file.is_file():
            raise CheckpointError(f"{file}: there is no run to resume")
        try:
            tensors, about = load_tensors(file)
            groups: dict[str, Parameters] = {"parameters": {}, "optimizer": {}, "best": {}}
            for key, value in tensors.items():
                group, _, name = key.partition("/")
                groups[group][name] = value
            check_parameters(groups["parameters"], "parameters")
            check_parameters(groups["best"], "best")
            if about["options"].keys() != asdict(Options()).keys():
                raise KeyError("options")
            run = cls.begin(Options(**about["options"]), about["digits"])
            if {k: v.shape for k, v in run.optimizer.state.items()} != {
                k: v.shape for k, v in groups["optimizer"].items()
            }:
                raise KeyError("optimizer")
            run.parameters, run.best = groups["parameters"], groups["best"]
            run.optimizer.parameters, run.optimizer.state = run.parameters, groups["optimizer"]
            run.optimizer.steps = about["steps"]
            run.epochs = [Epoch(**epoch) for epoch in about["epochs"]]
            run.batches, run.loss, run.right = about["batches"], about["loss"], about["right"]
            run.seconds = about["seconds"]
            run.saved = True
            return run
        except (WeightsError, KeyError, TypeError) as error:
            raise CheckpointError(f"{file} is not a checkpoint that can be resumed: {error}") from error


def resumed(file: Path, wanted: dict, digits: str) -> Run:
    """The run saved in `file`. Raises CheckpointError if it learns from other digits, or if one of its options is not
    what is `wanted` (the names and values of those given this time).

    Only `epochs` may differ: the run then ends after that many in all, and from here on its learning rate falls to 0
    at the new end.
    """
    run = Run.load(file)
    begun = len(run.epochs) + (run.batches > 0)
    epochs = wanted.get("epochs", run.options.epochs)
    if epochs < begun:
        raise CheckpointError(f"{file} is already in epoch {begun}: it cannot end after {epochs}")
    run.options = replace(run.options, epochs=epochs)
    for name, value in wanted.items():
        before = getattr(run.options, name)
        if value != before:
            raise CheckpointError(f"{file} was made with {name} {before}, not {value}")
    if run.digits != digits:
        raise CheckpointError(f"{file} was made with other digits")
    return run


def rank(epoch: Epoch) -> tuple[float, float]:
    """Epochs are ranked by validation accuracy, and equal ones by the smaller loss."""
    return epoch.validation_accuracy, -epoch.validation_loss


def copy_of(parameters: Parameters) -> Parameters:
    """The same values in new arrays."""
    return {name: value.copy() for name, value in parameters.items()}
