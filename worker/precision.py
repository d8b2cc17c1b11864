"""In which precision a network is trained: bfloat16 where that is faster, else float32."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from worker.recipes import Recipe

#: Names of Keras dtype policies.
EXACT, MIXED = "float32", "mixed_bfloat16"
CPU_FLAGS = Path("/proc/cpuinfo")
#: Instructions that multiply bfloat16; without them it is emulated, and slower than float32.
FAST = {"avx512_bf16", "amx_bf16"}


def of(recipe: Recipe) -> str:
    """The policy to train this recipe with, on this machine."""
    return MIXED if recipe.mixed and (_has_gpu() or _multiplies_bfloat16()) else EXACT


def _has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


def _multiplies_bfloat16() -> bool:
    try:
        lines = CPU_FLAGS.read_text("ascii", "replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return bool(FAST & set(flags.split()))
