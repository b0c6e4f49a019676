"""The version of the kit that added each check: minor releases can add checks, patch releases do not."""

from __future__ import annotations

#: The version that will release the checks that are in no list below.
NEXT = '1.1'
#: The checks that each release added.
RELEASED: dict[str, tuple[str, ...]] = {
    '1.0': (
        'test_a_backend_works_again_when_its_store_does',
        'test_a_backend_works_on_both_sides_of_a_fork',
        'test_a_busy_store_is_asked_again',
        'test_a_download_that_is_cut_is_never_taken_for_whole',
        'test_a_file_and_a_folder_of_one_name',
        'test_a_file_is_served_with_its_facts',
        'test_a_file_open_for_writing_appears_when_it_is_closed',
        'test_a_given_media_type_is_kept_where_promised',
        'test_a_key_prefix_is_invisible_in_names',
        'test_a_large_file_goes_in_and_out_in_bounded_memory',
        'test_a_missing_file_is_404',
        'test_a_missing_file_is_said_to_be_missing_at_the_call',
        'test_a_missing_place_is_empty_and_made_by_the_first_write',
        'test_a_prefix_is_literal_text',
        'test_a_range_has_exactly_its_bytes',
        'test_a_range_is_served',
        'test_a_reader_of_a_file_that_is_replaced_gets_one_of_the_two',
        'test_a_refusal_is_no_absence',
        'test_a_replaced_file_has_its_own_checksum_and_etag',
        'test_a_replaced_file_is_replaced_whole',
        'test_a_signed_link_is_good_for_one_file_one_method_and_a_while',
        'test_a_signed_link_to_store_stores_one_file',
        'test_a_source_that_fails_leaves_nothing_new',
        'test_a_source_with_only_short_reads_is_read_to_its_end',
        'test_a_store_that_does_not_answer_is_no_absence',
        'test_a_store_that_refuses_connections_is_no_absence',
        'test_a_whole_folder_goes_however_many_files_it_has',
        'test_an_application_starts_while_its_store_is_down',
        'test_an_open_file_can_be_read_from_anywhere',
        'test_an_upload_that_is_cut_leaves_what_was_there',
        'test_any_file_can_be_had_as_a_local_one',
        'test_checksums_are_true',
        'test_content_of_any_size_comes_back',
        'test_copy_and_move_do_what_they_say',
        'test_copy_and_move_onto_themselves_lose_nothing',
        'test_create_keeps_the_first_writer',
        'test_delete_spares_names_sharing_a_prefix',
        'test_deleting_what_is_not_there_is_no_error',
        'test_errors_are_of_flask_fs_with_a_cause_and_without_secrets',
        'test_every_page_is_listed',
        'test_facts_are_true_and_the_same_everywhere',
        'test_facts_do_not_change',
        'test_files_of_other_programs_are_listed_and_read',
        'test_hostile_names_are_refused_by_every_verb',
        'test_links_are_signed_by_the_store_or_by_the_application',
        'test_nothing_is_connected_to_before_it_is_needed',
        'test_odd_names_make_the_round_trip',
        'test_of_many_processes_one_creates_a_name',
        'test_of_many_threads_one_creates_a_name',
        'test_one_storage_stays_apart_in_two_applications',
        'test_only_files_are_listed',
        'test_paths_are_told_where_promised',
        'test_saving_starts_where_the_source_stands_and_leaves_it_open',
        'test_streams_give_back_what_they_hold',
        'test_text_is_stored_as_utf_8',
        'test_threads_share_a_backend',
        'test_what_a_client_has_is_not_sent_again',
    ),
}
_SINCE = {check: version for version, checks in RELEASED.items() for check in checks}


def since(check: str) -> str:
    """The version of flask-fs-testing that added *check*, such as ``1.0``."""
    return _SINCE.get(check, NEXT)
