"""One optimiser step: forward, backward, SGD, over one or several micro-batches."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from vidprep.errors import HarnessError
from vidprep.harness.device import Precision, autocast_dtype, computing_in, is_out_of_memory
from vidprep.harness.training.dropout import kept_features
from vidprep.harness.training.tally import StepResult
from vidprep.load import Augmenter, Batch
from vidprep.load.augment.mixing import clip_numbers
from vidprep.load.sampling.draws import Draws
from vidprep.load.transforms import to_network_input
from vidprep.recipes.recipe import Chroma


@dataclass(frozen=True)
class BatchSplit:
    """How the clips of an optimiser step are spread.

    Attributes:
        batch_size: Clips of a step, over all ranks and micro-batches.
        num_micro_batches: Passes through the network, one after another.
        num_ranks: Processes, side by side.
    """

    batch_size: int
    num_micro_batches: int
    num_ranks: int

    @property
    def per_pass(self) -> int:
        """Return the clips of one rank in one pass."""
        return self.batch_size // (self.num_micro_batches * self.num_ranks)

    def smaller_pass(self) -> int:
        """Return the clips of a pass at most half as large that divides a rank's share; at least 1."""
        share = self.batch_size // self.num_ranks
        return next((n for n in range(self.per_pass // 2, 1, -1) if share % n == 0), 1)


@dataclass(frozen=True)
class StepSettings:
    """What stays the same from step to step.

    Attributes:
        split: How the clips of a step are spread.
        device: Where the network is.
        precision: Number format of the convolutions; the classifier computes in float32.
        chroma: How colours are converted, see `yuv420_to_rgb`; the same for all of a run.
        dropout: Probability that a feature is dropped.
        dropout_shape: Shape of the features of one clip, see `I3DResNet.dropout_shape`.
        seed: Seed of the run.
        augmenter: Changes clips and labels; None: no augmentation.
        draws_itself: Whether the network draws its dropout itself, from torch's generator.
    """

    split: BatchSplit
    device: torch.device
    precision: Precision
    chroma: Chroma
    dropout: float
    dropout_shape: tuple[int, ...]
    seed: int
    augmenter: Augmenter | None = None
    draws_itself: bool = False


def train_step(
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    batches: Iterator[Batch],
    settings: StepSettings,
    *,
    epoch: int,
) -> StepResult:
    """Take the clips of one step from `batches` and take the step.

    The loss is the mean cross-entropy over the clips of all ranks and micro-batches: a rank adds up its own,
    divided by its share, and `DistributedDataParallel` averages over ranks.

    Args:
        net: The network; maps clips (N, 3, T, H, W) to logits (N, C).
        optimiser: Updates its weights.
        batches: Gives the micro-batches of this rank.
        settings: What stays the same from step to step.
        epoch: From 0; with seed and key it decides dropout.

    Returns:
        Sums over the clips of this rank, still on the device.

    Raises:
        HarnessError: If memory runs out, or the network cannot be compiled.
    """
    losses, corrects, waited = [], [], 0.0
    keys: list[str] = []
    optimiser.zero_grad(set_to_none=True)
    for micro in range(settings.split.num_micro_batches):
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        is_last = micro == settings.split.num_micro_batches - 1
        with (
            explain_runtime_errors(settings),
            skip_gradient_sync(net, unless=is_last),
            computing_in(settings.precision),
        ):
            loss, correct = _forward_backward(net, batch, settings, epoch)
        losses.append(loss)
        corrects.append(correct)
        keys += batch.key
    optimiser.step()
    return StepResult(torch.stack(losses).sum(), torch.stack(corrects).sum(), tuple(keys), waited)


def _forward_backward(
    net: nn.Module, batch: Batch, settings: StepSettings, epoch: int
) -> tuple[torch.Tensor, torch.Tensor]:
    if not len(batch):
        raise HarnessError(
            "None of the clips of a pass could be decoded; the messages above name the videos."
        )
    batch = batch.to(settings.device)
    autocast = autocast_dtype(settings.precision)
    if settings.augmenter:
        clips, target, shares = settings.augmenter(batch)
    else:
        clips = to_network_input(batch, dtype=autocast or torch.float32, chroma=settings.chroma)
        target, shares = batch.label, None
    kept = None
    if settings.dropout:
        kept = kept_features(
            _names(batch), settings.dropout_shape, dropout=settings.dropout, seed=settings.seed, epoch=epoch
        ).to(settings.device, non_blocking=True)
    if settings.draws_itself:  # a resumed run has to draw the same numbers as one that was not stopped
        torch.manual_seed(Draws("network", settings.seed, epoch, *batch.key).below(1 << 63))
    with torch.autocast(settings.device.type, autocast, enabled=autocast is not None):
        logits = net(clips, kept)
    logits = logits.float()
    loss = cross_entropy(logits, target, reduction="sum")
    (loss / (settings.split.per_pass * settings.split.num_micro_batches)).backward()  # type: ignore[no-untyped-call]
    return loss.detach(), _num_correct(logits.detach().argmax(1), batch.label, shares)


def _names(batch: Batch) -> list[str]:
    """Return a name for each clip: the key, and the number of a video's second clip and further ones."""
    numbered = zip(batch.key, clip_numbers(batch.key), strict=True)
    return [f"{key}\0{number}" if number else key for key, number in numbered]


def _num_correct(named: torch.Tensor, label: torch.Tensor, shares: torch.Tensor | None) -> torch.Tensor:
    """Return how many clips are right; a mixed one counts by its share of the class that is predicted."""
    if shares is None:
        return (named == label).sum()
    return shares.gather(1, named[:, None]).sum()


def skip_gradient_sync(net: nn.Module, *, unless: bool) -> AbstractContextManager[None]:
    """Do not sum gradients over ranks in this pass, unless `unless` is true: it is the last one of a step."""
    ranks_net = getattr(net, "_orig_mod", net)  # what torch.compile wrapped
    if unless or not isinstance(ranks_net, DistributedDataParallel):
        return nullcontext()
    return ranks_net.no_sync()


@contextmanager
def explain_runtime_errors(settings: StepSettings) -> Iterator[None]:
    """Turn out-of-memory and failed compilation into errors that say what to do."""
    try:
        yield
    except RuntimeError as error:
        if _is_failed_compilation(error):
            reason = str(error).partition("\n")[0]
            raise HarnessError(
                f"PyTorch could not compile the network: {reason}. Leave --compile out, or install what is "
                "missing."
            ) from error
        if not is_out_of_memory(error):
            raise
        now = settings.split.per_pass
        remedy = (
            f"--micro-batch {settings.split.smaller_pass()} gives the same batch in smaller passes"
            if now > 1
            else "the pass is one clip already: take a smaller crop_size or clip_len"
        )
        raise HarnessError(
            f"No memory on {settings.device} for a pass of {now} clips: {remedy}. "
            "The last checkpoint is kept; --resume goes on from it."
        ) from error


def _is_failed_compilation(error: RuntimeError) -> bool:
    # By the name of its module: importing that takes seconds, and only --compile needs it.
    return type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))
