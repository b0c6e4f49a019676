"""The kit bites: each broken backend fails the check that it should, and each check catches one."""

from __future__ import annotations

import gc
import inspect
import warnings
from pathlib import Path
from typing import Any

import broken_backends as broken
import pytest

from flask_fs.backends import Capability
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs_testing import BackendConformance, Harness, LocalHarness, MemoryHarness
from flask_fs_testing.guarantees import UndeclaredCapability, guarantee_of

# Each Python runs the same checks on backends that work.
pytestmark = pytest.mark.once

CAUGHT_BY = [
    (broken.TakesAnyName, 'test_hostile_names_are_refused_by_every_verb'),
    (broken.NormalisesNames, 'test_odd_names_make_the_round_trip'),
    (broken.TrimsNames, 'test_odd_names_make_the_round_trip'),
    (broken.ShowsThePrefix, 'test_a_key_prefix_is_invisible_in_names'),
    (broken.IgnoresThePrefix, 'test_a_key_prefix_is_invisible_in_names'),
    (broken.StoresOneChunk, 'test_content_of_any_size_comes_back'),
    (broken.ReadsOnce, 'test_a_source_with_only_short_reads_is_read_to_its_end'),
    (broken.ClosesTheSource, 'test_saving_starts_where_the_source_stands_and_leaves_it_open'),
    (broken.RewindsTheSource, 'test_saving_starts_where_the_source_stands_and_leaves_it_open'),
    (broken.SavesOverWhatIsThere, 'test_saving_keeps_a_file_that_is_there_unless_told_to_replace_it'),
    (broken.WritesWholeFiles, 'test_write_takes_what_can_be_read_too'),
    (broken.StoresTextAsLatin1, 'test_text_is_stored_as_utf_8'),
    (broken.LeaksAPartialFile, 'test_a_source_that_fails_leaves_nothing_new'),
    (broken.LeavesTemporaryFiles, 'test_a_source_that_fails_leaves_nothing_new'),
    (broken.WritesInPlace, 'test_a_replaced_file_is_replaced_whole'),
    (broken.WritesInPlace, 'test_a_source_that_fails_leaves_nothing_new'),
    (broken.WritesInPlace, 'test_a_reader_of_a_file_that_is_replaced_gets_one_of_the_two'),
    (broken.OpensInPlace, 'test_a_file_open_for_writing_appears_when_it_is_closed'),
    (broken.FindsOutLate, 'test_a_missing_file_is_said_to_be_missing_at_the_call'),
    (broken.CannotSeek, 'test_an_open_file_can_be_read_from_anywhere'),
    (broken.TakesTheStopAsIncluded, 'test_a_range_has_exactly_its_bytes'),
    (broken.TakesASuffixForTheStart, 'test_a_range_from_the_end_has_the_last_bytes'),
    (broken.GivesNothingBeyondTheEnd, 'test_a_range_that_begins_beyond_the_end_is_refused'),
    (broken.GivesNothingBeyondTheEnd, 'test_read_range_gives_exactly_its_bytes'),
    (broken.GivesTheSizeOfTheRange, 'test_a_range_comes_with_the_metadata_of_the_whole_file'),
    (broken.LooksAfterOpening, 'test_bytes_come_with_the_metadata_of_their_version'),
    (broken.ReadsToTheEnd, 'test_read_range_gives_exactly_its_bytes'),
    (broken.IgnoresTheEtag, 'test_a_version_asked_for_is_opened_or_refused'),
    (broken.IgnoresTheEtag, 'test_a_served_file_is_one_version'),
    (broken.ServesTwoVersions, 'test_a_served_file_is_one_version'),
    (broken.NeedsItsFolder, 'test_a_missing_place_is_empty_and_made_by_the_first_write'),
    (broken.IgnoresCreate, 'test_create_keeps_the_first_writer'),
    (broken.LooksBeforeItWrites, 'test_of_many_threads_one_creates_a_name'),
    (broken.LooksBeforeItWrites, 'test_of_many_processes_one_creates_a_name'),
    (broken.LetsNobodyWin, 'test_of_many_threads_one_creates_a_name'),
    (broken.RefusesInOtherWords, 'test_of_many_threads_one_creates_a_name'),
    (broken.MovesByCopyAndRemove, 'test_copy_and_move_onto_themselves_lose_nothing'),
    (broken.MovesHalf, 'test_copy_and_move_do_what_they_say'),
    (broken.ClaimsNestedNames, 'test_a_file_and_a_folder_of_one_name'),
    (broken.ComplainsOfNothingToDelete, 'test_deleting_what_is_not_there_is_no_error'),
    (broken.RemovesWhatIsUnderIt, 'test_remove_removes_exactly_one_file'),
    (broken.DeletesSiblings, 'test_delete_spares_names_sharing_a_prefix'),
    (broken.DeletesOnePage, 'test_a_whole_folder_goes_however_many_files_it_has'),
    (broken.ListsOnePage, 'test_every_page_is_listed'),
    (broken.TakesAPrefixAsAPattern, 'test_a_prefix_is_literal_text'),
    (broken.ListsFolders, 'test_only_files_are_listed'),
    (broken.KnowsOnlyItsOwnFiles, 'test_files_of_other_programs_are_listed_and_read'),
    (broken.ListsWhatNoVerbTakes, 'test_files_of_other_programs_are_listed_and_read'),
    (broken.TellsOfWhatNoVerbTakes, 'test_files_of_other_programs_are_listed_and_read'),
    (broken.TellsLocalTime, 'test_facts_are_true_and_the_same_everywhere'),
    (broken.TellsLooseFacts, 'test_facts_do_not_change'),
    (broken.TellsTheEtagAsChecksum, 'test_checksums_are_true'),
    (broken.ChecksumsTheLastChunk, 'test_checksums_are_true'),
    (broken.RemembersTheFirstChecksum, 'test_a_replaced_file_has_its_own_checksum_and_etag'),
    (broken.ForgetsTheType, 'test_a_given_media_type_is_kept_where_promised'),
    (broken.ClaimsAPath, 'test_paths_are_told_where_promised'),
    (broken.TellsAPathUnasked, 'test_paths_are_told_where_promised'),
    (broken.NamesNoFile, 'test_any_file_can_be_had_as_a_local_one'),
    (broken.ServesWithoutValidators, 'test_a_file_is_served_with_its_facts'),
    (broken.ServesWhateverTheClientHas, 'test_what_a_client_has_is_not_sent_again'),
    (broken.ServesWhateverTheClientHas, 'test_a_range_is_served'),
    (broken.ServesNothingForMissingFiles, 'test_a_missing_file_is_404'),
    (broken.SignsUnasked, 'test_links_are_signed_by_the_store_or_by_the_application'),
    (broken.SignsForNobody, 'test_a_signed_link_is_good_for_one_file_one_method_and_a_while'),
    (broken.SignsForNobody, 'test_a_signed_link_to_store_stores_one_file'),
    (broken.SharesOneTemporaryFile, 'test_threads_share_a_backend'),
    (broken.WorksInOneProcess, 'test_a_backend_works_on_both_sides_of_a_fork'),
    (broken.ConnectsAtOnce, 'test_nothing_is_connected_to_before_it_is_needed'),
    (broken.ConnectsInTheBackground, 'test_nothing_is_connected_to_before_it_is_needed'),
    (broken.IgnoresThePrefix, 'test_one_storage_stays_apart_in_two_applications'),
    (broken.KeepsItsStreams, 'test_streams_give_back_what_they_hold'),
    (broken.ReadsEverythingIntoMemory, 'test_a_large_file_goes_in_and_out_in_bounded_memory'),
]
RACES = [pair for pair in CAUGHT_BY if pair[1].startswith('test_of_many_') or 'threads' in pair[1]]


def harness_of(backend: Any, folder: Path) -> Harness:
    base = LocalHarness if issubclass(backend, LocalBackend) else MemoryHarness
    made = type(f'{backend.__name__}Harness', (base,), {'backend_class': backend})
    return made(folder)


def catches(check: str, backend: Any, folder: Path) -> bool:
    """Whether *check* fails on *backend*, for whatever reason it gives."""
    with warnings.catch_warnings():
        # What a broken backend leaves open is its own fault.
        warnings.simplefilter('ignore')
        try:
            getattr(BackendConformance(), check)(harness_of(backend, folder))
        except (Exception, pytest.fail.Exception):  # noqa: BLE001  # a check may fail in any way
            return True
        finally:
            gc.collect()
    return False


@pytest.mark.parametrize(('backend', 'check'), CAUGHT_BY, ids=lambda value: getattr(value, '__name__', value))
@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
def test_a_broken_backend_is_caught(backend: Any, check: str, tmp_path: Path) -> None:
    assert catches(check, backend, tmp_path)


def test_every_check_catches_a_broken_backend() -> None:
    checks = {name for name, function in inspect.getmembers(BackendConformance) if guarantee_of(function)}
    tests = {name for name in dir(BackendConformance) if name.startswith('test_')}
    assert checks == tests
    assert checks == {check for _, check in CAUGHT_BY}


@pytest.mark.parametrize(
    ('capability', 'check'),
    [
        (Capability.MIME, 'test_a_given_media_type_is_kept_where_promised'),
        (Capability.NESTED_NAMES, 'test_a_file_and_a_folder_of_one_name'),
    ],
    ids=str,
)
def test_what_works_undeclared_is_a_warning(capability: Capability, check: str, tmp_path: Path) -> None:
    modest = type('Modest', (MemoryBackend,), {'capabilities': MemoryBackend.capabilities & ~capability})
    with pytest.warns(UndeclaredCapability, match=f'Modest could declare {capability.name}'):
        getattr(BackendConformance(), check)(harness_of(modest, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(('backend', 'check'), RACES, ids=lambda value: getattr(value, '__name__', value))
def test_a_race_is_caught_in_twenty_of_twenty_runs(
    backend: Any, check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A tenth of the usual number.
    monkeypatch.setattr(Harness, 'race_rounds', 6)
    assert [catches(check, backend, tmp_path / str(number)) for number in range(20)] == [True] * 20


def test_a_promise_that_no_race_shows_is_none(tmp_path: Path) -> None:
    harness = type('WithoutRaces', (LocalHarness,), {'race_rounds': 0})(tmp_path)
    with pytest.raises(pytest.fail.Exception, match='nothing shows it'):
        BackendConformance().test_of_many_threads_one_creates_a_name(harness)
