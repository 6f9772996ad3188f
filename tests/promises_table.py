"""The table of promises. ``{NAME}`` in a size is read out of the test, see :mod:`tests.promises`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Proof:
    """A test, and what it does in how many cases."""

    size: str
    test: str


@dataclass(frozen=True)
class Promise:
    """One promise; ``not_yet`` says which part of it no test proves so far."""

    group: str
    promise: str
    proofs: tuple[Proof, ...] = ()
    not_yet: str = ""


API, GRAPH, INGEST, GNN = "tests/api/test_", "tests/graph/test_", "tests/ingest/test_", "tests/gnn/test_"
CORPUS = f"{INGEST}quarantine_corpus.py::test_"
NEO4J = "tests/neo4j/test_"
COMMAND = "tests/command/test_"
NEO4J = "tests/neo4j/test_"
ERRORS = f"{COMMAND}command_errors.py::test_"

PROMISES: tuple[Promise, ...] = (
    Promise(
        "Data",
        "An acknowledged event is never lost, doubled or half-written.",
        (
            Proof(
                "{CYCLES} kills (-9) of the API under {WRITERS} writers, over SQLite and over Neo4j",
                f"{API}events_kill.py::test_killed_25_times_it_loses_and_doubles_nothing",
            ),
            Proof(
                "{CYCLES} kills of a writer of the store",
                f"{GRAPH}sqlite_durability.py::test_acknowledged_batches_outlive_kill_9",
            ),
            Proof(
                "{CYCLES} kills of an ingest, then one that ends: the graph of an undisturbed one",
                f"{INGEST}loading_killed.py::test_a_killed_ingest_runs_again_to_the_same_graph",
            ),
            Proof(
                "a killed bulk load, repeated",
                f"{GRAPH}sqlite_durability.py::test_a_killed_bulk_load_repeated_gives_the_same_graph",
            ),
            Proof(
                "edges of a load that wait at a node that someone else deletes go with it",
                f"{GRAPH}sqlite_loading.py::test_edges_that_wait_at_a_node_that_someone_else_deletes_go_with_it",
            ),
            Proof(
                "{CYCLES} kills of an ingest over Neo4j, each then run again: the same snapshot, nothing twice",
                f"{NEO4J}ingest_killed.py::test_a_killed_ingest_runs_again_to_the_same_snapshot",
            ),
        ),
    ),
    Promise(
        "Data",
        "Retrying any write is harmless.",
        (
            Proof(
                "{max_examples} random batches applied twice, against a dict model",
                f"{GRAPH}store_contract_random.py::test_applying_the_same_again_changes_nothing",
            ),
            Proof("an event sent again", f"{API}events_http.py::test_a_repeated_event_changes_nothing"),
            Proof(
                "a write that outlives its deadline, sent again with the ids of the reply",
                f"{API}events_http.py::test_a_slow_store_is_a_503_with_the_ids_to_send_again",
            ),
            Proof(
                "{WRITES} writes to Neo4j, {CUT_PERCENT} % of the exchanges cut before the reply: each there once",
                f"{NEO4J}faults.py::test_writes_whose_replies_are_lost_are_there_once",
            ),
        ),
    ),
    Promise(
        "Data",
        "A graph moves between stores unchanged, and out of a backup.",
        (
            Proof(
                "copied there and back: equal hashes, equal snapshots byte for byte",
                f"{GRAPH}copying.py::test_a_copy_hashes_as_its_source_and_makes_the_same_snapshot",
            ),
            Proof(
                "the commands of docs/neo4j.md: dump, damage, load",
                f"{NEO4J}backup.py::test_a_dump_brings_back_what_was_there",
            ),
            Proof("from line to line of Neo4j", f"{NEO4J}backup.py::test_a_newer_line_takes_over_the_data"),
        ),
    ),
    Promise(
        "Data",
        "The same file twice, shuffled or in chunks gives the same graph.",
        (
            Proof(
                "{max_examples} generated shops, by graph hash",
                f"{INGEST}loading.py::test_twice_shuffled_or_in_chunks_it_is_the_same_graph",
            ),
            Proof(
                "{max_examples} generated graphs, in the store",
                f"{GRAPH}store_contract_random.py::test_any_order_and_any_chunks_give_the_same_graph",
            ),
            Proof(
                "snapshots byte for byte",
                f"{GRAPH}snapshot_of_stores.py::test_two_stores_filled_in_other_orders_and_batches_give_the_same_bytes",
            ),
            Proof(
                "a second ingest by command",
                f"{COMMAND}ingest_command.py::test_a_second_ingest_changes_nothing",
            ),
        ),
    ),
    Promise(
        "Data",
        "Bad rows are quarantined with file, line, column and reason; stored + filtered + quarantined = read.",
        (
            Proof(
                "{cases} bad rows: NaN, NaT, negative and year-2300 times, empty, long and dangling ids, ragged rows, "
                "NUL, an open quote",
                f"{CORPUS}a_bad_row_is_quarantined_with_its_place",
            ),
            Proof("{cases} bad properties", f"{CORPUS}a_bad_property_keeps_the_whole_row_out"),
            Proof("wrong encoding", f"{CORPUS}wrong_bytes_cost_their_line_only"),
            Proof("BOM and CRLF", f"{CORPUS}a_byte_order_mark_and_dos_line_ends_change_nothing"),
            Proof("duplicate ids", f"{CORPUS}duplicate_ids_are_resolved_the_same_in_any_order"),
            Proof("full-width and padded ids", f"{CORPUS}full_width_and_padded_ids_are_one_id"),
            Proof("more than --max-bad", f"{CORPUS}too_many_bad_rows_stop_before_anything_is_committed"),
            Proof(
                "the sum, by command",
                f"{COMMAND}ingest_command.py::test_stored_filtered_and_quarantined_add_up_to_read",
            ),
        ),
    ),
    Promise(
        "Data",
        "Concurrent curators do not overwrite each other silently.",
        (
            Proof(
                "the store refuses a write that expects an older version",
                f"{GRAPH}store_contract.py::test_conditional_writes_refuse_what_changed",
            ),
            Proof(
                "eight editors of one item at once: one wins",
                f"{API}catalogue_http.py::test_of_many_editors_at_once_one_wins",
            ),
            Proof("two editors over HTTP", f"{API}catalogue_http.py::test_the_loser_of_two_editors_gets_a_412"),
        ),
    ),
    Promise(
        "Data",
        "The same seed and the same snapshot give the same model.",
        (
            Proof("every model of the registry", f"{GNN}model_conformance.py::test_the_same_seed_gives_the_same_bytes"),
            Proof(
                "bit-equal embeddings on one thread",
                f"{GNN}training_run.py::test_one_thread_and_one_seed_give_bit_equal_embeddings",
            ),
            Proof(
                "bit-equal embeddings on two threads",
                f"{GNN}training_run.py::test_several_threads_give_bit_equal_embeddings_too",
            ),
            Proof("figures, by command", f"{COMMAND}train_command.py::test_the_same_seed_gives_the_same_figures"),
        ),
    ),
    Promise(
        "Release",
        "Swapping a release costs no request, and no answer mixes two.",
        (
            Proof(
                "{SWAPS} swaps under three askers",
                f"{API}serving_swap.py::test_a_swap_loses_no_request_and_no_answer_mixes_two_releases",
            ),
            Proof(
                "a request under way during a swap",
                f"{API}serving_swap.py::test_a_request_ends_with_the_release_it_began_with",
            ),
            Proof(
                "an event acknowledged during a swap",
                f"{API}serving_swap.py::test_an_event_acknowledged_during_a_swap_counts_in_the_new_release",
            ),
        ),
        "the same at 200 requests a second, with p99.",
    ),
    Promise(
        "Release",
        "A broken release never goes live.",
        (
            Proof(
                "{MUTANTS} mutants (flipped, cut, grown, NaN, other shape, foreign vocabulary, pickle, links, pipes), "
                "refused by sha256 before anything is parsed",
                f"{GRAPH}release.py::test_two_thousand_mutants_are_refused_before_anything_is_parsed",
            ),
            Proof("while serving", f"{API}http_release.py::test_releases_swap_roll_back_and_damaged_ones_stay_out"),
            Proof("by command", f"{ERRORS}a_damaged_release_stays_out"),
        ),
    ),
    Promise(
        "Release",
        "What loses against the best baseline is not served.",
        (
            Proof(
                "a world in which nothing beats popularity",
                f"{GNN}experiment.py::test_a_fusion_that_knows_no_more_is_not_served_and_the_best_baseline_is",
            ),
            Proof(
                "{max_examples} generated comparisons",
                f"{GNN}gate.py::test_promotion_always_means_a_better_mean_than_every_baseline",
            ),
        ),
    ),
    Promise(
        "Release",
        "Rollback survives kill -9 during the rename; a full disk never costs the last good release.",
        (
            Proof("{KILLS} kills", f"{GRAPH}release_crashes.py::test_a_release_is_live_after_each_of_a_hundred_kills"),
            Proof("a 2 MiB tmpfs", f"{GRAPH}release_crashes.py::test_a_full_disk_never_costs_the_live_release"),
            Proof(
                "a limit on file sizes",
                f"{GRAPH}release_crashes.py::test_a_limit_on_file_size_never_costs_the_live_release",
            ),
            Proof("by command", f"{COMMAND}train_command.py::test_releases_are_listed_activated_and_rolled_back"),
        ),
    ),
    Promise(
        "Release",
        "A killed training resumes.",
        (
            Proof(
                "the same losses and bytes as undisturbed",
                f"{GNN}training_run.py::test_a_killed_run_goes_on_where_it_was",
            ),
            Proof("a checkpoint cut anywhere", f"{GNN}training_run.py::test_a_checkpoint_cut_anywhere_is_refused"),
        ),
    ),
    Promise(
        "Answers",
        "Notebook, evaluation and HTTP give the same ids.",
        (
            Proof(
                "200 users of MovieLens, three ways",
                "tests/end_to_end/test_same_ids.py::test_two_hundred_users_of_movielens_get_the_same_ids_three_ways",
            ),
            Proof(
                "the small shop, anywhere",
                "tests/end_to_end/test_same_ids.py::test_a_small_shop_gets_the_same_ids_three_ways",
            ),
        ),
    ),
    Promise(
        "Answers",
        "The embedded store and Neo4j give the same snapshot, the same table, the same ids with the same reasons.",
        (
            Proof(
                "ingest, training, release and answers of the small shop",
                "tests/end_to_end/test_both_stores.py::test_both_stores_give_the_same_release_and_the_same_answers",
            ),
        ),
    ),
    Promise(
        "Answers",
        "Explanations are true: every named edge exists now.",
        (
            Proof("{max_examples} series of edits", f"{API}reasons.py::test_whatever_is_edited_reasons_stay_true"),
            Proof("every item has reasons", f"{API}reasons.py::test_every_item_has_reasons_that_are_in_the_graph"),
            Proof(
                "an edge that goes takes its reason along",
                f"{API}reasons.py::test_a_reason_goes_when_its_edge_goes_and_another_comes",
            ),
            Proof(
                "the demo's answers, looked up edge by edge",
                "tests/end_to_end/test_demo.py::test_what_the_real_demo_left_behind_is_true",
            ),
        ),
        "that removing the path lowers the score in at least 80 % of cases.",
    ),
    Promise(
        "Input",
        "No input gives a 5xx.",
        (
            Proof("{CASES} hostile requests, byte by byte", f"{API}raw_bytes.py::test_no_bytes_give_a_5xx"),
            Proof(
                "requests generated from the published schema, right and wrong ones",
                f"{API}http_schema.py::test_generated_requests_get_the_replies_described",
            ),
            Proof("a huge body", f"{API}raw_bytes.py::test_a_huge_body_is_refused_before_it_is_read"),
        ),
    ),
    Promise(
        "Input",
        "Parsers never crash or hang.",
        (
            Proof(
                "{max_examples} random byte strings in blocks of any size",
                f"{INGEST}readers.py::test_any_bytes_are_rows_or_rejects_and_blocks_do_not_matter",
            ),
            Proof("quotes that never close", f"{INGEST}readers.py::test_quotes_that_never_close_do_not_hang"),
            Proof("a cut gzip", f"{INGEST}readers.py::test_a_cut_gzip_file_is_an_input_error"),
        ),
        "a coverage-guided fuzzer, a million executions a reader.",
    ),
    Promise(
        "Input",
        "Errors are one line with the remedy and a documented exit code.",
        (
            Proof(
                "every kind of error has a code",
                f"{ERRORS}every_error_kindred_raises_has_an_exit_code",
            ),
            Proof("{cases} bad mappings", f"{ERRORS}a_bad_mapping_is_bad_input"),
            Proof(
                "{cases} impossible wishes",
                f"{ERRORS}what_cannot_be_asked_is_bad_input",
            ),
            Proof(
                "a taken port",
                f"{ERRORS}a_taken_port_is_one_clear_line_before_any_work",
            ),
        ),
    ),
    Promise(
        "Graph down",
        "Reads go on from the release, marked stale; writes get 503 and Retry-After.",
        (
            Proof(
                "a store that is down, and back",
                f"{API}events_http.py::test_with_the_store_down_events_are_refused_and_reads_go_on_stale",
            ),
            Proof("a store that hangs", f"{API}events_http.py::test_a_store_that_hangs_costs_reads_nothing"),
            Proof("down at start", f"{API}serving_swap.py::test_when_the_store_is_down_at_start_it_is_followed_later"),
            Proof(
                "a real Neo4j refused, swallowed, frozen and killed under {READS} reads each",
                f"{NEO4J}faults_http.py::test_reads_go_on_stale_writes_wait_and_it_heals",
            ),
            Proof(
                "the same at the store: an error within the deadline + 100 ms, well again within 5 s",
                f"{NEO4J}faults.py::test_a_fault_is_one_clear_error_in_time_and_then_heals",
            ),
            Proof(
                "a call that is late takes nobody else's line away: what others ask is asked once",
                f"{NEO4J}shared_driver.py::test_a_late_call_leaves_the_line_of_others_alone",
            ),
        ),
    ),
    Promise(
        "Graph down",
        "A store that cannot be used gives one line and the fix.",
        (
            Proof("a damaged file", f"{ERRORS}a_broken_store_file_is_a_store_error"),
            Proof(
                "a wrong password, a missing database",
                f"{NEO4J}set_up_wrong.py::test_the_doctor_says_in_a_line_what_to_set",
            ),
            Proof(
                "a constraint dropped by hand",
                f"{NEO4J}set_up_wrong.py::test_the_doctor_finds_what_a_hand_dropped_and_names_the_repair",
            ),
            Proof(
                "no storm of log-ins",
                f"{NEO4J}set_up_wrong.py::test_an_api_with_a_wrong_password_does_not_storm_the_door",
            ),
        ),
    ),
    Promise(
        "Graph",
        "A hand edit in Neo4j is in the feed and in the next answer; none is missed, and none breaks anything.",
        (
            Proof(
                "{EDITS} edits while 100 events a second are written",
                f"{NEO4J}hand_edits.py::test_no_edit_is_missed_among_events",
            ),
            Proof(
                "over HTTP: watermark, reasons, a deleted relation",
                f"{NEO4J}hand_edits.py::test_an_edit_is_in_the_next_answer_and_a_deleted_relation_in_no_reason",
            ),
            Proof(
                "eight edits of the guide, each in the next answer",
                f"{NEO4J}walk.py::test_every_edit_of_the_guide_changes_the_next_answer",
            ),
            Proof(
                "every saved query, under the names of a delivered source, of an adopted graph, of one among several",
                f"{NEO4J}saved_queries.py::test_every_saved_query_runs_under_the_names_the_graph_has",
            ),
            Proof(
                "nine kinds of broken edits, listed and mended",
                f"{NEO4J}hand_edits.py::test_an_edit_that_breaks_the_schema_is_listed_with_its_fix_and_the_rest_goes_on",
            ),
        ),
    ),
    Promise(
        "Release",
        "No query in Neo4j sees two published releases.",
        (
            Proof(
                "five switches while two queries are asked all the time",
                f"{NEO4J}publishing.py::test_no_query_sees_two_releases_and_the_old_one_goes",
            ),
            Proof(
                "200 switches under two readers: never none, never two, the learned edges included",
                f"{NEO4J}publishing.py::test_every_query_during_200_switches_finds_exactly_one_release",
            ),
        ),
    ),
    Promise(
        "Overload",
        "Beyond its capacity it sheds, not sinks.",
        (
            Proof("a burst of answers", f"{API}http_answers.py::test_a_burst_is_shed_and_not_queued_without_end"),
            Proof("a full queue of events", f"{API}events_http.py::test_a_full_queue_sheds"),
            Proof("slow headers and bodies", f"{API}raw_bytes.py::test_slow_headers_and_bodies_are_hung_up_on"),
        ),
        "open-loop load at twice the capacity; 10,000 idle connections, 2,000 slow ones, gzip bombs.",
    ),
    Promise(
        "Security",
        "No user text becomes a query.",
        (
            Proof(
                "hostile names and values in the store",
                f"{GRAPH}store_contract.py::test_hostile_names_and_values_are_only_text",
            ),
            Proof("columns that look like SQL", f"{CORPUS}names_that_look_like_sql_are_only_names"),
        ),
        "50,000 hostile values against Neo4j, and a lint against queries built from text.",
    ),
    Promise(
        "Security",
        "No personal data in logs, metrics and traces.",
        (
            Proof("canaries in ids", f"{API}http_operations.py::test_metrics_and_logs_hold_no_ids"),
            Proof("a canary in ids, queries and baggage", f"{API}telemetry.py::test_nobody_is_named"),
        ),
    ),
    Promise(
        "Security",
        "No cross-user access, no id enumeration; keys hashed, scoped, rotatable.",
        (
            Proof(
                "every route with every scope",
                f"{API}security_door.py::test_every_route_lets_in_the_scope_it_needs_and_no_other",
            ),
            Proof(
                "one reply for ids that exist and that do not",
                f"{API}security_door.py::test_a_refusal_says_the_same_for_ids_that_exist_and_ids_that_do_not",
            ),
            Proof(
                "hashed, owner's file",
                f"{API}security_keys.py::test_a_key_is_known_by_its_text_and_kept_as_a_hash_that_only_the_owner_reads",
            ),
            Proof(
                "rotated with a time of grace",
                f"{API}security_keys.py::test_a_rotated_key_goes_on_for_its_grace_and_its_successor_after_it",
            ),
            Proof(
                "which users there are is told to operators alone",
                f"{API}security_door.py::test_only_an_operator_learns_which_users_there_are",
            ),
            Proof("guessing is slowed down", f"{API}security_door.py::test_guessing_keys_is_slowed_down"),
        ),
        "keys for single users of the shop: a reader's key may ask for any user.",
    ),
    Promise(
        "Security",
        "MCP cannot write or reach out.",
        (
            Proof(
                "over 200 attacks, the graph's hash and every address asked",
                f"{API}mcp.py::test_two_hundred_attacks_write_nothing_and_reach_nothing_else",
            ),
            Proof(
                "offered editing tools, with a key that only reads",
                f"{API}mcp.py::test_a_key_without_the_scope_changes_nothing",
            ),
        ),
    ),
    Promise(
        "Security",
        "Stored scripts in titles do not run.",
        (
            Proof(
                "44 payloads as titles and names, in Chromium: no dialog, no error, nothing refused by the policy",
                f"{API}page_browser.py::test_stored_scripts_are_shown_and_never_run",
            ),
            Proof(
                "no title changes the shape of a page",
                f"{API}page.py::test_titles_are_written_as_text_wherever_they_stand",
            ),
        ),
    ),
    Promise(
        "Privacy",
        "Erasure reaches graph, release, vectors, caches and journals; export is complete.",
        (
            Proof(
                "a canary, and every file scanned",
                f"{API}personal.py::test_an_erased_person_is_in_no_file_once_the_next_release_is_there",
            ),
            Proof(
                "86 of 600 persons erased one by one, every page of the store scanned",
                f"{API}personal.py::test_among_many_writes_an_erased_id_is_in_no_page_of_the_store",
            ),
            Proof("every property and edge", f"{API}personal.py::test_an_export_holds_every_property_and_edge"),
        ),
        "the same over Neo4j, whose files are its own.",
    ),
    Promise(
        "Privacy",
        "Pseudonymous inside; opt-out gives history-independent lists.",
        (
            Proof(
                "two histories, one list",
                f"{API}personal.py::test_who_opts_out_gets_lists_that_do_not_depend_on_history",
            ),
            Proof("in no audience", f"{API}users.py::test_who_opted_out_is_in_no_audience"),
        ),
        "pseudonyms at the door.",
    ),
    Promise(
        "Integrity",
        "A few fake users cannot push an item.",
        (
            Proof(
                "one and three per cent of fake users, two items: how many honest lists hold the item is measured",
                f"{COMMAND}measure_command.py::test_fake_users_raise_an_item_and_honest_lists_are_what_is_counted",
            ),
        ),
        "in one of the four cases [measured](measures.md) it is in more than twice as many lists; nothing defends "
        "against it.",
    ),
    Promise(
        "Integrity",
        "Fairness gaps are printed.",
        (
            Proof(
                "accuracy for each common value of a user's property, in every table",
                f"{GNN}segments.py::test_common_values_are_segments_and_rare_ones_and_names_are_not",
            ),
        ),
        "exposure for each group.",
    ),
)
