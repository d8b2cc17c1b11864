"""The packages whose guards are mutated, and the tests that run them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]


class Package(NamedTuple):
    """Sources as patterns from the root, and tests: files and folders; what survives them is tried
    with the slow ones, which are files. CI runs one of the `shares` of the mutants; there are none
    as long as some mutant of the package is neither killed nor listed."""

    sources: tuple[str, ...]
    tests: tuple[str, ...]
    shares: int
    slow: tuple[str, ...] = ()
    without: tuple[str, ...] = ()  #: files that refuse nothing

    @property
    def all_tests(self) -> tuple[str, ...]:
        return self.tests + self.slow

    def files(self) -> list[Path]:
        files = {path for pattern in self.sources for path in ROOT.glob(pattern)}
        return sorted(files - {ROOT / name for name in self.without})


PACKAGES = {
    "people": Package(
        ("producer/people/*.py", "worker/labelling/*.py", "shared/labels/*.py"),
        (
            "tests/unit/people",
            "tests/unit/shared/labels",
            "tests/unit/shared/test_line_log.py",
            "tests/unit/commands/test_damaged_decisions.py",
            "tests/unit/commands/test_label.py",
            "tests/unit/commands/test_models.py",
            "tests/unit/commands/test_promise_in_every_form.py",
            "tests/unit/commands/test_refusals.py",
            "tests/unit/python/test_labels.py",
            "tests/unit/table/test_learned_labels.py",
        ),
        6,
        (
            "tests/integration/people/test_label_server.py",
            "tests/integration/python/test_alike.py",
            "tests/integration/people/test_attacks.py",
            "tests/integration/people/test_review_server.py",
        ),
        without=("shared/labels/network_labels.py",),
    ),
    "sorting": Package(
        (
            "producer/sorting/*.py",
            "producer/sort_log/*.py",
            "producer/sources/row_files.py",
        ),
        (
            "tests/unit/sorting",
            "tests/faults/storage/test_sort_power_failure.py",
            "tests/faults/storage/test_sort_disk_full.py",
        ),
        6,
        (
            "tests/faults/producer/test_failpoints_of_sorting.py",
            "tests/faults/producer/test_histories_of_sorting.py",
        ),
    ),
    "registry": Package(
        ("shared/registry/*.py", "shared/atomic_file.py", "shared/file_lock.py"),
        (
            "tests/unit/shared/test_file_lock.py",
            "tests/unit/shared/test_registry.py",
            "tests/unit/shared/test_version_folder.py",
            "tests/unit/shared/test_version_operations.py",
            "tests/unit/shared/test_own_backbones.py",
            "tests/unit/shared/test_learned_lines.py",
            "tests/unit/shared/test_packaged.py",
            "tests/unit/commands/test_rm.py",
            "tests/unit/sorting/test_unsynced_folders.py",
            "tests/integration/models/test_file_copies.py",
            "tests/integration/storage",
        ),
        5,
        (
            "tests/integration/models/test_mirror_reader.py",
            "tests/integration/models/test_mirror_writer.py",
            "tests/integration/models/test_shared_backbones.py",
            "tests/integration/models/test_promotion.py",
        ),
    ),
    "requests": Package(
        (
            "producer/trainer/check_class_folders.py",
            "producer/trainer/client.py",
            "producer/trainer/existing.py",
            "producer/trainer/request_display.py",
            "producer/trainer/submit.py",
            "worker/requests/attempt.py",
            "worker/requests/maintenance.py",
            "worker/requests/outcomes.py",
            "worker/requests/trainer_state.py",
            "worker/requests/runner.py",
            "worker/requests/workspace.py",
            "shared/ledger/*request*.py",
        ),
        (
            "tests/unit/requests",
            "tests/unit/shared/test_request_histories.py",
            "tests/unit/shared/test_request_store.py",
            "tests/unit/commands/test_check_class_folders.py",
            "tests/unit/commands/test_train.py",
            "tests/integration/requests/test_existing.py",
            "tests/integration/requests/test_inbox.py",
            "tests/integration/requests/test_attempt.py",
            "tests/integration/requests/test_maintenance.py",
            "tests/integration/requests/test_runner.py",
        ),
        3,
        (
            "tests/integration/requests/test_check_again.py",
            "tests/integration/requests/test_submit.py",
            "tests/integration/old_data/test_of_v0_2_0.py",
            "tests/integration/storage",
        ),
        without=("producer/trainer/request_display.py",),  # what is displayed
    ),
    "doctor": Package(("producer/monitor/doctor.py",), ("tests/unit/commands/test_doctor.py",), 1),
    "journal": Package(
        ("producer/job/*.py",),
        (
            "tests/unit/job/test_job_index.py",
            "tests/unit/job/test_journal.py",
            "tests/unit/job/test_missing_disks.py",
            "tests/unit/job/test_retries.py",
            "tests/unit/job/test_skipped.py",
            "tests/unit/job/test_snapshot.py",
            "tests/unit/job/test_totals.py",
            "tests/unit/commands/test_classify_command.py",
            "tests/unit/commands/test_collect.py",
            "tests/unit/commands/test_forget.py",
            "tests/unit/commands/test_newer_journals.py",
            "tests/unit/commands/test_refusals.py",
            "tests/unit/commands/test_table.py",
            "tests/unit/commands/test_verify.py",
            "tests/unit/run/test_killed.py",
            "tests/unit/run/test_update.py",
        ),
        2,
        (
            "tests/unit/job/test_batch.py",
            "tests/unit/job/test_rot.py",
            "tests/faults/storage/test_update_power_failure.py",
        ),
    ),
    "dispatch": Package(
        (
            "producer/run/batcher.py",
            "producer/run/classify.py",
            "producer/run/connect.py",
            "producer/run/file_transport.py",
            "producer/run/follow.py",
            "producer/run/job*.py",
            "producer/run/loop*.py",
            "producer/run/re*.py",
            "producer/run/run.py",
            "producer/run/time_limit.py",
            "producer/run/window.py",
            "shared/ledger/batch_ledger.py",
        ),
        (
            "tests/unit/commands/test_classify_command.py",
            "tests/unit/commands/test_collect.py",
            "tests/unit/commands/test_detach.py",
            "tests/unit/commands/test_piped_lists.py",
            "tests/unit/commands/test_refusals.py",
            "tests/unit/commands/test_table.py",
            "tests/unit/job/test_retries.py",
            "tests/unit/run/test_archives_in_jobs.py",
            "tests/unit/run/test_batch_size.py",
            "tests/unit/run/test_batcher.py",
            "tests/unit/run/test_file_count.py",
            "tests/unit/run/test_file_transport.py",
            "tests/unit/run/test_follow.py",
            "tests/unit/run/test_update.py",
            "tests/unit/table/test_corrected_table.py",
            "tests/unit/table/test_growing_table.py",
            "tests/unit/table/test_learned_labels.py",
            "tests/integration/jobs/test_dispatch_loop.py",
            "tests/integration/jobs/test_full_disk.py",
            "tests/integration/jobs/test_job_queue.py",
        ),
        6,
        (
            "tests/unit/table/test_forms_of_jobs.py",
            "tests/unit/table/test_xlsx.py",
            "tests/integration/sources/test_s3_objects.py",
        ),
    ),
    "updating": Package(
        (
            "producer/run/changes.py",
            "producer/run/new_files.py",
            "producer/run/next_journal.py",
            "producer/run/update.py",
            "producer/run/watch.py",
            "producer/sources/compared.py",
        ),
        (
            "tests/unit/run/test_folder_watch.py",
            "tests/unit/run/test_killed.py",
            "tests/unit/run/test_new_files.py",
            "tests/unit/run/test_update.py",
            "tests/unit/run/test_update_of_archives.py",
            "tests/unit/run/test_watch.py",
            "tests/unit/commands/test_named_files.py",
            "tests/unit/commands/test_piped_lists.py",
            "tests/unit/commands/test_verify.py",
            "tests/unit/sorting/test_moved_files.py",
            "tests/unit/sorting/test_sorting_in_place.py",
            "tests/unit/table/test_learned_labels.py",
            "tests/integration/sources/test_update_of_addresses.py",
        ),
        4,
        (
            "tests/unit/run/test_archives_in_jobs.py",
            "tests/unit/run/test_update_equals_a_fresh_job.py",
        ),
    ),
    "sources": Package(
        ("producer/sources/*.py",),
        (
            "tests/unit/sources/test_walk.py",
            "tests/unit/sources/test_reader.py",
            "tests/unit/sources/test_addresses.py",
            "tests/unit/sources/test_archives_folder.py",
            "tests/unit/commands/test_classify_command.py",
            "tests/unit/commands/test_named_files.py",
            "tests/unit/commands/test_piped_lists.py",
            "tests/unit/commands/test_refusals.py",
        ),
        3,
        without=("producer/sources/compared.py", "producer/sources/row_files.py"),
    ),
    "archives": Package(
        ("producer/sources/archives/*.py",),
        (
            "tests/unit/sources/test_archives.py",
            "tests/unit/sources/test_archives_folder.py",
            "tests/unit/sources/test_hostile_archives.py",
            "tests/unit/run/test_archives_in_jobs.py",
        ),
        4,
    ),
    "addresses": Package(
        ("producer/sources/remote/*.py",),
        (
            "tests/unit/sources/test_addresses.py",
            "tests/unit/sources/test_checked_network.py",
            "tests/integration/sources/test_failing_addresses.py",
            "tests/integration/sources/test_update_of_addresses.py",
            "tests/integration/sources/test_web.py",
        ),
        6,
        ("tests/integration/sources/test_s3_objects.py",),
    ),
    "table": Package(
        ("producer/table/*.py",),
        (
            "tests/unit/table",
            "tests/unit/commands/test_classify_command.py",
            "tests/unit/commands/test_closed_folders.py",
            "tests/unit/commands/test_named_files.py",
            "tests/unit/commands/test_picture_options.py",
            "tests/unit/commands/test_piped_lists.py",
            "tests/unit/commands/test_promise_in_every_form.py",
            "tests/unit/commands/test_refusals.py",
            "tests/unit/commands/test_special_files.py",
            "tests/unit/commands/test_table.py",
            "tests/unit/commands/test_verify.py",
            "tests/unit/job",
            "tests/unit/pages/test_report.py",
            "tests/unit/people/test_serve.py",
            "tests/unit/present",
            "tests/unit/python",
            "tests/unit/run/test_archives_in_jobs.py",
            "tests/unit/run/test_update.py",
            "tests/unit/sorting/test_displayed_labels.py",
            "tests/unit/sorting/test_moved_files.py",
            "tests/unit/train/test_metrics.py",
        ),
        6,
        ("tests/integration/storage/test_durability.py",),
    ),
    "decoding": Package(("worker/decoding/*.py",), ("tests/unit/decoding",), 5),
    "learning": Package(
        ("worker/evaluation/*.py", "worker/heads/*.py", "worker/train/*.py"),
        (
            "tests/unit/evaluation",
            "tests/unit/heads",
            "tests/unit/train/test_augmentation.py",
            "tests/unit/train/test_checkpoint.py",
            "tests/unit/train/test_head.py",
            "tests/unit/train/test_metrics.py",
            "tests/unit/train/test_photo_folder.py",
            "tests/unit/train/test_schedule.py",
            "tests/unit/train/test_temperature.py",
        ),
        3,
        (
            "tests/unit/train/test_fit.py",
            "tests/unit/train/test_network.py",
            "tests/unit/train/test_networks.py",
            "tests/integration/models/test_evaluate.py",
            "tests/integration/models/test_promotion.py",
        ),
        without=(  # pictures
            "worker/evaluation/chart.py",
            "worker/evaluation/diagrams.py",
            "worker/evaluation/image_sheets.py",
        ),
    ),
}
