"""Images and mask pictures read alike from every source, and their size is checked before decoding."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from gartk.errors import ConfigError, DataError, RegionError
from gartk.regions.images import open_image, pixel_limit, read_mask_png

RGB = np.random.default_rng(0).integers(0, 256, (5, 8, 3), dtype=np.uint8)


def _png(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, format=kind, **options)
    return out.getvalue()


def _huge_png(width: int, height: int) -> bytes:
    """A PNG whose header promises more than its few bytes hold."""

    def chunk(tag: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 64))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("read", [open_image, read_mask_png])
def test_a_picture_over_the_limit_is_refused_before_it_is_decoded(read, tmp_path):
    (tmp_path / "huge.png").write_bytes(_huge_png(60_000, 50_000))
    tracemalloc.start()
    with pytest.raises(RegionError, match=r"60000x50000.*limit is 100,000,000"):
        read(tmp_path / "huge.png")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_the_limit_comes_from_the_argument_then_the_environment(monkeypatch):
    monkeypatch.setenv("GARTK_MAX_PIXELS", "30")
    with pytest.raises(RegionError, match="GARTK_MAX_PIXELS"):
        open_image(RGB)
    assert open_image(RGB, max_pixels=40).shape == RGB.shape
    monkeypatch.setenv("GARTK_MAX_PIXELS", "many")
    with pytest.raises(ConfigError, match="GARTK_MAX_PIXELS"):
        pixel_limit()


def test_a_limit_above_pillows_own_is_honoured_and_pillows_is_left_as_it_was(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert open_image(_png(Image.fromarray(RGB))).shape == RGB.shape
    assert Image.MAX_IMAGE_PIXELS == 10


def test_path_bytes_pillow_and_array_give_the_same_pixels(tmp_path):
    data = _png(Image.fromarray(RGB))
    (tmp_path / "a.png").write_bytes(data)
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), data, Image.fromarray(RGB), RGB):
        assert np.array_equal(open_image(source), RGB)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_image_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = {
        1: RGB,
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.transpose(1, 0, 2),
        6: np.rot90(RGB, -1),
        7: np.rot90(RGB.transpose(1, 0, 2), 2),
        8: np.rot90(RGB, 1),
    }[orientation]
    assert np.array_equal(open_image(_png(Image.fromarray(RGB), exif=exif)), upright)


def test_transparency_is_laid_on_white():
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 3] = (0, 255, 51)
    for source in (rgba, Image.fromarray(rgba), _png(Image.fromarray(rgba))):
        assert open_image(source)[0, :, 0].tolist() == [255, 0, 204]


def test_a_transparent_palette_colour_becomes_white():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    pixels = open_image(_png(image, transparency=0))
    assert pixels.tolist() == [[[255, 255, 255], [0, 0, 255]]]


def test_sixteen_bit_grey_is_scaled_and_repeated():
    deep = np.array([[0, 257, 65535]], np.uint16)
    for source in (deep, Image.fromarray(deep), _png(Image.fromarray(deep))):
        assert open_image(source).tolist() == [[[0] * 3, [1] * 3, [255] * 3]]


def test_float_arrays_must_lie_between_nought_and_one():
    assert open_image(np.array([[0.0, 1.0]]))[0, :, 0].tolist() == [0, 255]
    for bad in (np.array([[0.0, 255.0]]), np.array([[np.nan]])):
        with pytest.raises(DataError, match="0..1"):
            open_image(bad)


@pytest.mark.parametrize("shape", [(3,), (4, 4, 2), (0, 4, 3), (1, 4, 4, 3)])
def test_arrays_that_are_no_image_are_refused(shape):
    with pytest.raises(DataError, match="shape"):
        open_image(np.zeros(shape, np.uint8))


def test_missing_damaged_and_foreign_files_say_what_is_wrong(tmp_path):
    with pytest.raises(DataError, match="no file"):
        open_image(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(DataError, match="cannot be read as an image"):
        open_image(tmp_path / "text.png")
    whole = _png(Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)))
    with pytest.raises(DataError, match="damaged"):
        open_image(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="must be a path"):
        open_image(3)


MASK = np.array([[0, 1, 1], [0, 0, 1]], bool)


def _palette(mask: np.ndarray) -> Image.Image:
    image = Image.fromarray(np.where(mask, 0, 1).astype(np.uint8), "L")
    palette = Image.new("P", image.size)
    palette.putdata(
        image.get_flattened_data() if hasattr(image, "get_flattened_data") else list(image.getdata())
    )
    palette.putpalette([200, 10, 10, 0, 0, 0])
    return palette


def _layer(mask: np.ndarray) -> Image.Image:
    rgba = np.zeros((*mask.shape, 4), np.uint8)
    rgba[..., 3] = np.where(mask, 120, 0)
    return Image.fromarray(rgba)


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(MASK),
        Image.fromarray(MASK.astype(np.uint8)),
        Image.fromarray(MASK.astype(np.uint8) * np.uint8(255)),
        Image.fromarray(MASK.astype(np.uint16) * np.uint16(9)),
        Image.fromarray(np.repeat(MASK[..., None], 3, 2).astype(np.uint8) * np.array([0, 0, 7], np.uint8)),
        Image.fromarray(MASK.astype(np.uint8) * np.uint8(255)).convert("RGBA"),
        _palette(MASK),
        _layer(MASK),
    ],
    ids=[
        "1-bit",
        "grey 0/1",
        "grey 0/255",
        "16-bit",
        "RGB",
        "opaque RGBA",
        "palette with black at 1",
        "painted layer",
    ],
)
def test_every_kind_of_mask_picture_gives_the_same_mask(image):
    assert np.array_equal(read_mask_png(_png(image)), MASK)
    assert np.array_equal(read_mask_png(image), MASK)


def test_a_jpeg_mask_is_refused():
    with pytest.raises(RegionError, match="Save it as PNG"):
        read_mask_png(_png(Image.fromarray(RGB), kind="JPEG"))
