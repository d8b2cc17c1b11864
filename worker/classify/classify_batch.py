"""Claims a batch, decodes and classifies its images, and submits the result."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from redis.exceptions import RedisError

from shared.errors import (
    BadMessage,
    BrokerRefuses,
    ForeignKey,
    ImageError,
    SetupError,
    Unseen,
    is_out_of_memory,
)
from shared.image_status import BY_CODE, Flag, Status
from shared.ledger.batch_ledger import LOADING, BatchLedger, Claim, ClaimVerdict
from shared.messages.batch import (
    BatchResult,
    JobRecord,
    check_hint,
    decode_job,
    decode_payload,
    encode_result,
)
from shared.messages.files import Reference, digests
from shared.messages.model_card import Preprocessing
from worker.classify.outliers import unlike_training
from worker.classify.process_state import LoadedModel, ProcessState
from worker.classify.resource_limits import memory_limit, time_limit
from worker.decoding import decode
from worker.lifecycle.child_records import ChildReport

log = logging.getLogger(__name__)
MAX_PAUSE_S = 2.0
#: In TensorFlow's message about a lack of memory: the device.
_ON_GPU = "device:GPU"
#: Before the next hint, so that a worker that cannot load a job's model leaves its hints to others.
UNFIT_PAUSE_S = 1.0
#: Pixels that are decoded at a time: the 80 photos of a message took 18 MB more. A block of this
#: size is kept for the next part (resource_limits.py).
PIXEL_BYTES = 4 << 20


def classify(child: ProcessState, job: str, batch: int) -> ChildReport:
    """Work on one hint. Returns a report for the parent.

    Raises:
        BadMessage: the hint, or its entry in the ledger, does not have the agreed form.
        Unseen: the batch refers to files that this worker cannot read.
        redis.exceptions.RedisError: the server was unreachable; the hint is lost, which only causes
            a delay.
        ForeignKey: a key of the job is not Hangtag's, and its producer stops.
    """
    check_hint(job, batch)
    ledger = child.ledger(job)
    try:
        result = _work(child, ledger, batch)
        return _report(child, b"" if result is None else result.statuses)
    except Exception as error:
        # A claim that a living child does not work on would block all other workers.
        # A claim that failed may still have been granted: only the reply was lost.
        why = "" if isinstance(error, RedisError) else str(error) or type(error).__name__
        # The producer replaces a damaged payload by one with the bytes of all files.
        damaged = isinstance(error, BadMessage | Unseen)
        _retry(child, "a claim", lambda: ledger.release(batch, child.owner, why, damaged))
        raise


def _work(child: ProcessState, ledger: BatchLedger, batch: int) -> BatchResult | None:
    claim = ledger.claim(batch, child.owner)
    if claim.verdict is ClaimVerdict.UNFIT:
        child.log_unfit(ledger.job)
        time.sleep(UNFIT_PAUSE_S)
    if claim.verdict is not ClaimVerdict.RUN:
        return None
    record = decode_job(claim.record)
    if record.id != ledger.job:
        raise BadMessage(f"the record of job {ledger.job} is that of job {record.id}")
    # Outside of any time limit: no image is blamed for a file system that hangs.
    payload = decode_payload(claim.payload)
    images = child.files.read(payload)
    model = _model(child, ledger, batch, record)
    if model is None:
        return None
    result = _result(child, ledger, claim, batch, record, model, images)
    if result is None:
        return None
    if any(isinstance(image, Reference) for image in payload):
        result = msgspec.structs.replace(result, digests=digests(images))
    data = encode_result(result)
    _retry(child, "a result", lambda: ledger.complete(batch, child.owner, data))
    return result


def _model(
    child: ProcessState, ledger: BatchLedger, batch: int, record: JobRecord
) -> LoadedModel | None:
    """The job's version. A death during loading is blamed on the version, not on an image."""
    if model := child.model_in_memory(record):
        return model
    if not ledger.mark_image(batch, child.owner, LOADING):
        return None
    model = child.model(record)
    return model if ledger.loaded(batch, child.owner) else None


def _report(child: ProcessState, statuses: bytes) -> ChildReport:
    failures = {str(BY_CODE[code]): n for code, n in Counter(statuses).items() if code}
    return os.getpid(), len(statuses), failures, child.loaded


def _result(
    child: ProcessState,
    ledger: BatchLedger,
    claim: Claim,
    batch: int,
    record: JobRecord,
    model: LoadedModel,
    images: list[bytes | Status],
) -> BatchResult | None:
    memory = child.settings.child_memory_mb << 20
    if not claim.one_by_one:
        with time_limit(child.settings.batch_limit_s), memory_limit(memory):
            return classify_images(model, images, record.top_k)
    parts = []
    for index, image in enumerate(images):
        if not ledger.mark_image(batch, child.owner, index):
            return None
        content = Status.CRASHED if index in claim.crashed_images else image
        with time_limit(child.settings.careful_limit_s), memory_limit(memory):
            parts.append(classify_images(model, [content], record.top_k))
    return BatchResult.joined(parts)


def _retry(child: ProcessState, what: str, act: Callable[[], object]) -> None:
    """Retry while Redis is unreachable or full, without limit: all other work needs it as well.

    Refusals are retried for as long as the parent retries them before it stops. Unlike the loops of
    a request (worker/requests/runner.py), nothing else can end the wait.
    """
    pause_s = 0.05
    refused_until = time.monotonic() + child.settings.refused_s
    while True:
        try:
            act()
            return
        except ForeignKey:
            raise
        except BrokerRefuses as error:
            if time.monotonic() >= refused_until:
                raise
            log.warning("%s waits: %s", what, error)
        except RedisError as error:
            log.warning("%s waits: %s", what, error)
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, MAX_PAUSE_S)


def classify_images(model: LoadedModel, images: Sequence[bytes | Status], k: int) -> BatchResult:
    """The result for the files of a batch, some of which are decoded at a time.

    Raises:
        SetupError: their pixels exceed the memory.
    """
    spec, call = model.card.preprocessing, model.card.call_images
    calls = PIXEL_BYTES // (call * spec.height * spec.width * spec.channels)
    count = call * max(1, calls)
    starts = range(0, max(1, len(images)), count)
    return BatchResult.joined([_part(model, images[start : start + count], k) for start in starts])


def _part(model: LoadedModel, images: Sequence[bytes | Status], k: int) -> BatchResult:
    try:
        return classified(model, images, k)
    except Exception as error:  # TensorFlow's lack of memory is no MemoryError
        if not is_out_of_memory(error):
            raise
        # The batch lacks memory; the lack for a single image becomes the image's status.
        raise _needs_more_memory(len(images), error) from error


def _needs_more_memory(count: int, error: Exception) -> SetupError:
    needs = f"a batch of {count} images needs more memory than"
    if _ON_GPU in str(error):
        return SetupError(f"{needs} its GPU has free; run fewer workers there (--concurrency 1)")
    return SetupError(f"{needs} HANGTAG_CHILD_MEMORY_MB allows; raise it for the workers")


def classified(model: LoadedModel, images: Sequence[bytes | Status], k: int) -> BatchResult:
    """The k most probable labels of each of these files, decoded at a time, and its flag."""
    batch = decode_batch(model.card.preprocessing, images)
    outputs = model.runtime.outputs(batch.images)
    flag_unlike(batch, unlike_training(model.card, model.detector, batch.images, outputs.features))
    return top_k(model.runtime.probabilities(outputs), batch, k)


class DecodedBatch(NamedTuple):
    """A decoded batch: the input of the model, and the statuses and flags known without it."""

    images: NDArray[np.uint8]  #: [n, height, width, channels]
    statuses: NDArray[np.uint8]  #: [n], wire codes
    flags: NDArray[np.uint8]  #: [n], wire codes


def decode_batch(spec: Preprocessing, images: Sequence[bytes | Status]) -> DecodedBatch:
    """Decode a batch for a model with this input.

    An image that cannot be decoded leaves zeros and its code; the others are not affected.
    """
    pixels = np.zeros((len(images), spec.height, spec.width, spec.channels), np.uint8)
    codes, flags = np.zeros((2, len(images)), np.uint8)
    for i in decode.decode_fast(images, spec, pixels):
        image = images[i]
        try:
            if isinstance(image, Status):
                raise ImageError(image)
            if flag := decode.decode_by_format(image, spec, pixels[i]):
                flags[i] = flag.code
        except ImageError as error:
            codes[i], pixels[i] = error.status.code, 0
        except MemoryError:
            codes[i], pixels[i] = Status.TOO_LARGE.code, 0
        except Exception:  # a bug of the decoder costs one row of the table, not the batch
            log.exception("decoding an image of %d bytes failed", len(image))
            codes[i], pixels[i] = Status.UNREADABLE.code, 0
    return DecodedBatch(pixels, codes, flags)


def flag_unlike(batch: DecodedBatch, unlike: NDArray[np.bool_]) -> None:
    """Flag those of the decoded images [n] as unlike the training images that have no flag yet."""
    batch.flags[unlike & ((batch.statuses | batch.flags) == 0)] = Flag.UNLIKE_TRAINING.code


def top_k(probabilities: NDArray[np.float32], batch: DecodedBatch, k: int) -> BatchResult:
    """The k most probable labels of each image, with what decoding has found; ties go to the lower
    index. An image whose probabilities are not numbers has no label."""
    k = min(k, probabilities.shape[1])
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(probabilities, order, axis=1)
    without_answer = (batch.statuses == 0) & ~np.isfinite(probabilities).all(1)
    codes = np.where(without_answer, np.uint8(Status.NO_ANSWER.code), batch.statuses)
    failed = codes != 0
    order[failed], best[failed] = 0, 0
    columns = {
        "statuses": codes.tobytes(),
        "indices": order.astype("<u2").tobytes(),
        "probabilities": best.astype("<f4").tobytes(),
        "flags": (batch.flags * ~failed).tobytes(),
    }
    return BatchResult.from_columns(k, columns)
