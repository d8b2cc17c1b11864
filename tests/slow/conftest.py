"""What tests that take minutes share with the fault tests."""

from __future__ import annotations

from tests.faults.conftest import chance, fleet, pictures, pytest_report_header, stage

__all__ = ["chance", "fleet", "pictures", "pytest_report_header", "stage"]
