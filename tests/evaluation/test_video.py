"""Frames come from the right places of a video, be it a file or a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gartk.errors import DataError
from gartk.evaluation.video import Video, is_video, uniform


def test_uniform_frames_reach_from_the_first_to_the_last() -> None:
    assert uniform(32)[0] == 0 and uniform(32)[-1] == 31 and len(uniform(32)) == 16
    assert uniform(5) == [0, 1, 2, 3, 4]
    assert uniform(100, 5) == [0, 25, 50, 74, 99]
    assert max(np.diff(uniform(1000))) - min(np.diff(uniform(1000))) <= 1


def test_a_folder_gives_its_pictures_by_name(tmp_path: Path) -> None:
    for number in (2, 0, 1):
        Image.fromarray(np.full((4, 4, 3), 50 * number, np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "notes.txt").write_text("x")
    video = Video(tmp_path)
    assert video.count == 3
    assert [int(frame.mean()) for frame in video.frames([2, 0])] == [100, 0]
    with pytest.raises(DataError, match="frames 0 to 2, but no frame 3"):
        video.frames([3])


def test_a_file_gives_its_frames_in_rgb(tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no MJPG")
    for number in range(8):
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[..., 2] = 30 * number  # red, in OpenCV's order
        writer.write(frame)
    writer.release()
    video = Video(path)
    assert video.count == 8
    frames = video.frames([6, 1])
    assert frames[0].shape == (48, 64, 3)
    assert abs(int(frames[0][..., 0].mean()) - 180) < 12 and abs(int(frames[1][..., 0].mean()) - 30) < 12
    assert frames[0][..., 2].mean() < 12


def test_what_is_a_video_and_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"no video")
    (tmp_path / "empty").mkdir()
    assert [is_video(tmp_path / name) for name in ("x.mp4", "empty", "a.png")] == [True, True, False]
    for name in ("x.mp4", "empty"):
        with pytest.raises(DataError, match="no frames that can be read"):
            Video(tmp_path / name)
