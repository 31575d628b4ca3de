"""Settings: checked, shared in a file, found beside a recording."""

import pytest

from napari_caltrig.recording import FormatError
from napari_caltrig.settings import (
    FILE_NAME,
    Settings,
    find_settings,
    load_settings,
    save_settings,
)


def test_what_was_saved_is_loaded(tmp_path):
    settings = Settings(("blood vessel", 'naïve „quote‟ \\ "x"'), 3.5, "SNR", True, 0.3, 0.7)
    save_settings(tmp_path / "s.toml", settings)
    assert Settings().with_values(load_settings(tmp_path / "s.toml")) == settings


def test_a_file_may_say_a_few_things_only(tmp_path):
    (tmp_path / "s.toml").write_text("play_around_s = 4\n")
    assert load_settings(tmp_path / "s.toml") == {"play_around_s": 4}


def test_reasons_are_tidied():
    assert Settings(("  blood   vessel ", "", "blood vessel")).rejection_reasons == (
        "blood vessel",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("play_around_s = -1", "between 0.1 and 60"),
        ("play_around_s = 'two'", "must be a number"),
        ("filled = 1", "true or false"),
        ("color_by = 'taste'", "must be one of"),
        ("rejection_reasons = 'dust'", "list of texts"),
        ("colour = 'red'", "unknown: colour"),
        ("play_around_s = ", "Invalid value"),
    ],
)
def test_nonsense_in_a_file_is_a_clear_error(tmp_path, text, message):
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(FormatError, match=message):
        load_settings(tmp_path / "s.toml")


def test_a_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(FormatError, match="No such file"):
        load_settings(tmp_path / "s.toml")


def test_the_nearest_file_holds(tmp_path):
    recording = tmp_path / "project" / "mouse" / "day1"
    recording.mkdir(parents=True)
    assert find_settings(recording) is None
    save_settings(tmp_path / "project" / FILE_NAME, Settings())
    assert find_settings(recording) == tmp_path / "project" / FILE_NAME
    save_settings(tmp_path / "project" / "mouse" / FILE_NAME, Settings())
    assert find_settings(recording / "a.hdf5") == tmp_path / "project" / "mouse" / FILE_NAME
