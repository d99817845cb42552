"""What a run shows: numbers for TensorBoard beside those in its log."""

from __future__ import annotations

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from openmidas.training.monitor import opened_log
from openmidas.training.run_folder import read_log


def test_tensorboard_has_the_numbers_of_the_log_each_step_once_when_a_run_went_on(tmp_path: Path) -> None:
    with opened_log(tmp_path, 0) as record:
        for step, loss in ((5, 0.5), (10, 0.25), (15, 0.75)):
            record(step, {"loss lidar": loss, "weight lidar": 1.0})
    with opened_log(tmp_path, 10) as record:  # the run was killed after step 15, its checkpoint is of step 10
        record(15, {"loss lidar": 0.125, "weight lidar": 1.0})
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    shown = [(event.step, event.value) for event in board.Scalars("loss lidar")]
    assert shown == [(5, 0.5), (10, 0.25), (15, 0.125)]
    assert [(line["step"], line["loss lidar"]) for line in read_log(tmp_path)] == shown
    assert [event.value for event in board.Scalars("weight lidar")] == [1, 1, 1]


def test_only_the_process_with_a_folder_notes_anything(tmp_path: Path) -> None:
    with opened_log(None, 0) as record:
        record(5, {"loss": 1.0})
    assert not list(tmp_path.iterdir())
