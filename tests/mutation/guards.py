"""The guards of the program, each with a way to take it away and the tests that must notice.

A guard is a condition or a call that keeps a promise of docs/reliability.md or SECURITY.md. ``make mutate`` takes each
away in a copy of the tree and runs its tests there; ``test_guards`` keeps this table true to the sources.
"""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["GUARDS", "ROOT", "Guard"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Guard:
    """``code`` stands exactly once in ``file`` (below ``src/debate_caster``); ``instead`` is what is left without it.

    ``what`` says what is kept; ``tests`` are node ids below ``tests``, of which at least one fails without the guard.
    """

    what: str
    file: str
    code: str
    instead: str
    tests: tuple[str, ...]

    @property
    def path(self) -> Path:
        return Path("src/debate_caster") / self.file

    @property
    def node_ids(self) -> tuple[str, ...]:
        return tuple(f"tests/{test}" for test in self.tests)

    def mutate(self, source: str) -> str:
        """Return the source without the guard.

        Raises:
            ValueError: The guard does not stand in it exactly once.
        """
        if source.count(self.code) != 1:
            raise ValueError(f"{self.file}: {self.what}: found {source.count(self.code)} times")
        return source.replace(self.code, self.instead)


TOKENS = "stage/test_tokens.py::"
AGENTS = "stage/test_agents.py::"
PRODUCERS = "stage/test_producers.py::"
DISK = "faults/test_disk.py::"
OUTAGES = "show/test_outages.py::"
TAKEOVER = "faults/test_takeover.py::"
SEASON = "calendar/test_season.py::"
BACKUPS = "cli/test_backups.py::"

OFFICE = "stage/test_box_office.py::"
VIEWERS = "faults/test_viewers.py::"
METRICS = "stage/test_metrics.py::"

GUARDS = (
    # -- who may be on the stage ---------------------------------------------------------------------------------
    Guard(
        "a token of the past lets nobody in",
        "stage/tokens.py",
        "if token.expires_at <= now:",
        "if False:",
        (TOKENS + "test_nobody_gets_in_with_a_bad_token",),
    ),
    Guard(
        "a token of the future lets nobody in",
        "stage/tokens.py",
        'if claims["nbf"] > now + CLOCKS_APART_S:',
        "if False:",
        (TOKENS + "test_nobody_gets_in_with_a_bad_token",),
    ),
    Guard(
        "a token gives one role",
        "stage/tokens.py",
        "if token.role != role:",
        "if False:",
        (TOKENS + "test_nobody_gets_in_with_a_bad_token",),
    ),
    Guard(
        "one algorithm, whatever a token says of its own",
        "stage/tokens.py",
        "algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options=options",
        'algorithms=[ALGORITHM, "HS384", "HS512", "none"], audience=AUDIENCE, issuer=ISSUER, options=options',
        (TOKENS + "test_a_token_that_is_wrong_in_any_way_is_refused",),
    ),
    Guard(
        "a token is for a stage",
        "stage/tokens.py",
        "audience=AUDIENCE, issuer=ISSUER, options=options",
        'issuer=ISSUER, options=options | {"verify_aud": False}',
        (TOKENS + "test_nobody_gets_in_with_a_bad_token",),
    ),
    Guard(
        "a token is of our making",
        "stage/tokens.py",
        "audience=AUDIENCE, issuer=ISSUER, options=options",
        'audience=AUDIENCE, options=options | {"verify_iss": False}',
        (TOKENS + "test_nobody_gets_in_with_a_bad_token",),
    ),
    Guard(
        "a signing key is long",
        "stage/tokens.py",
        "if not keys or any(len(key) < SHORTEST_KEY for key in keys):",
        "if not keys:",
        (TOKENS + "test_a_key_that_could_be_guessed_is_none",),
    ),
    Guard(
        "every key of the file is taken, so that keys change without a gap",
        "stage/tokens.py",
        "self._keys = {_name_of(key): key for key in keys}",
        "self._keys = {_name_of(key): key for key in keys[:1]}",
        (TOKENS + "test_keys_are_changed_without_a_gap",),
    ),
    Guard(
        "others can't read a key that is used",
        "cli/signing_keys.py",
        "if status.st_mode & 0o077:",
        "if False:",
        ("cli/test_signing_keys.py::test_a_key_that_others_can_read_is_not_used",),
    ),
    Guard(
        "without a token nobody is let in where one is wanted",
        "stage/passports.py",
        'if token is None:\n            raise TokenRefusedError("there was none")',
        "if token is None:\n            return None",
        (TOKENS + "test_nobody_gets_in_without_a_token",),
    ),
    Guard(
        "a token in the address is not looked at",
        "stage/agents.py",
        'token_of_handshake(request.headers.get("Authorization", ""), self._tokens)',
        'token_of_handshake(request.headers.get("Authorization", "") or '
        "f\"Bearer {request.query.get('token', '')}\", self._tokens)",
        (TOKENS + "test_a_token_in_the_address_is_not_looked_at",),
    ),
    Guard(
        "who stays beyond its token's end is shown out",
        "stage/passports.py",
        "self.over = True\n        await self._on_end(token)",
        "self.over = True",
        (TOKENS + "test_who_stays_beyond_the_end_of_its_token_is_shown_out_within_a_second",),
    ),
    Guard(
        "what is still queued at a token's end is not aired",
        "stage/agents.py",
        "if not self._passport.over:",
        "if True:",
        (TOKENS + "test_what_is_still_queued_when_a_token_ends_is_not_aired",),
    ),
    Guard(
        "a token for one agent is no other's",
        "stage/passports.py",
        'if token.agent not in {"", register.agent_id}:',
        "if False:",
        (TOKENS + "test_a_token_for_one_agent_is_nobody_elses",),
    ),
    Guard(
        "a token for one show opens rooms of no other",
        "stage/agents.py",
        "if not self._passport.covers(claimed):",
        "if False:",
        (TOKENS + "test_a_token_for_one_show_opens_rooms_of_no_other",),
    ),
    Guard(
        "a stage for others is not open unasked",
        "stage/server.py",
        "if not (tokens or open_to_agents or is_loopback(host)) and allow_public:",
        "if False:",
        (TOKENS + "test_a_stage_for_others_wants_tokens_or_to_be_told_that_it_is_open",),
    ),
    Guard(
        "an agent's id belongs to its secret",
        "stage/archive.py",
        "return secret is not None and hmac.compare_digest(bound, digest(secret))",
        "return True",
        (
            AGENTS + "test_an_agent_id_belongs_to_its_secret",
            TOKENS + "test_an_id_stays_bound_to_its_secret_whatever_token_comes",
        ),
    ),
    Guard(
        "without a secret nobody takes over a connected id",
        "stage/agents.py",
        "            if not register.secret:\n                self.error(",
        "            if False:\n                self.error(",
        (AGENTS + "test_an_agent_without_a_secret_keeps_its_id_while_it_is_connected",),
    ),
    Guard(
        "an id in use speaks over one connection",
        "stage/agents.py",
        'self._agents.dismiss(other, IDENTITY_TAKEN, "this agent has another connection now")',
        "pass",
        (
            AGENTS + "test_a_new_connection_of_an_agent_takes_over_from_one_that_hangs",
            AGENTS + "test_an_agent_id_belongs_to_its_secret",
        ),
    ),
    Guard(
        "rooms join a show with its key only",
        "stage/programme.py",
        'if not hmac.compare_digest(str(known.get("key_sha256")), key):',
        "if False:",
        (AGENTS + "test_rooms_with_one_key_are_one_show_and_others_are_denied",),
    ),
    Guard(
        "a room is resumed by the agent whose it is",
        "stage/broadcasts.py",
        "if room.host.id != agent.agent_id:",
        "if False:",
        (AGENTS + "test_nobody_resumes_anothers_room",),
    ),
    # -- the control desk ----------------------------------------------------------------------------------------
    Guard(
        "the caster checks a command's token itself",
        "show/control_desk.py",
        "return bool(self.digest) and hmac.compare_digest(self.digest, token_digest(token))",
        "return True",
        ("show/test_control_desk.py::test_only_the_right_token_is_admitted",),
    ),
    Guard(
        "the desk is shown to who has its token",
        "stage/producers.py",
        "if self.key and hmac.compare_digest(self.key, digest(token)):",
        "if True:",
        (PRODUCERS + "test_a_wrong_token_shows_nothing",),
    ),
    Guard(
        "wrong tokens are slowed down",
        "stage/producers.py",
        "if wait_s := self._rates.take(network_of(address)):",
        "if wait_s := 0.0:",
        (PRODUCERS + "test_wrong_tokens_are_slowed_down_and_the_right_one_is_not",),
    ),
    # -- viewers with tickets ------------------------------------------------------------------------------------
    Guard(
        "a ticket lets in once",
        "stage/box_office.py",
        "            if token.id in self._taken:\n                return False\n",
        "",
        (OFFICE + "test_a_ticket_lets_a_viewer_in_once_and_its_session_again",),
    ),
    Guard(
        "a ticket that another stage has taken is known to be",
        "stage/box_office.py",
        "            except FencedError:\n                continue\n",
        "            except FencedError:\n                return True\n",
        (OFFICE + "test_of_two_stages_that_take_a_ticket_at_once_one_gets_it",),
    ),
    Guard(
        "a ticket is for its show",
        "stage/box_office.py",
        'if token.show not in {"", show}:',
        "if False:",
        (OFFICE + "test_nobody_hears_anything_without_a_good_ticket",),
    ),
    Guard(
        "nobody watches without a ticket where one is wanted",
        "stage/viewers.py",
        "if self._box_office is not None:",
        "if False:",
        (OFFICE + "test_nobody_hears_anything_without_a_good_ticket",),
    ),
    Guard(
        "nobody reads over HTTP what it may not watch",
        "stage/http.py",
        "if self._box_office is not None and (refusal := _refused_entry(request, self._box_office)) is not None:",
        "if (refusal := None) is not None:",
        (OFFICE + "test_http_tells_nothing_of_a_show_without_a_session_for_it",),
    ),
    Guard(
        "who shows no ticket does not stay at the door",
        "stage/box_office.py",
        "async with self._clock.timeout(FIRST_MESSAGE_S):",
        "async with self._clock.timeout(None):",
        (OFFICE + "test_who_shows_nothing_is_closed_and_its_place_is_free_again",),
    ),
    Guard(
        "a viewer stays no longer than its ticket would have",
        "stage/viewers.py",
        'await self._send_away(socket, viewer, SESSION_OVER, b"the ticket has expired")',
        "pass",
        (OFFICE + "test_a_session_ends_when_the_ticket_would_have",),
    ),
    # -- browsers ------------------------------------------------------------------------------------------------
    Guard(
        "a name that is not the stage's is not answered",
        "stage/http.py",
        "if not self._admission.admits_host(host):",
        "if False:",
        ("stage/test_http.py::test_another_name_for_a_loopback_stage_is_not_answered",),
    ),
    Guard(
        "another site's page opens no WebSocket and changes nothing",
        "stage/http.py",
        "if len(origins) > 1 or not self._admission.admits_origin(next(iter(origins), None), host):",
        "if False:",
        (
            "stage/test_http.py::test_a_foreign_page_opens_no_websocket",
            PRODUCERS + "test_another_sites_page_can_direct_nothing",
        ),
    ),
    Guard(
        "an origin is compared whole",
        "stage/http.py",
        "bool(parts.netloc) and parts.netloc.lower() == host.lower()",
        "parts.netloc.lower().startswith(host.lower())",
        ("stage/test_http.py::test_an_origin_that_only_begins_like_ours_is_foreign",),
    ),
    Guard(
        "every answer says what a browser may run",
        "stage/http.py",
        "response.headers.setdefault(name, value)",
        "pass",
        ("stage/test_http.py::test_every_answer_keeps_the_browser_from_running_or_loading_anything_foreign",),
    ),
    Guard(
        "what was said is a text node",
        "stage/web/elements.js",
        "if (target.textContent !== text) target.textContent = text;",
        "if (target.innerHTML !== text) target.innerHTML = text;",
        ("web/test_hostile_text.py::test_a_debate_written_in_markup_is_shown_as_text",),
    ),
    Guard(
        "a printed page escapes",
        "booklet.py",
        'return html.escape(_INVISIBLE.sub("", text))',
        'return _INVISIBLE.sub("", text)',
        ("test_booklet.py::test_whatever_is_written_anywhere_becomes_no_element_and_no_attribute",),
    ),
    Guard(
        "Markdown holds no tag",
        "booklet.py",
        'text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")',
        "pass",
        ("test_booklet.py::test_markdown_holds_no_tag_and_no_link_that_somebody_wrote",),
    ),
    Guard(
        "Markdown holds no link that somebody wrote",
        "booklet.py",
        'text = _MARKUP.sub(lambda sign: f"\\\\{sign[0]}", text)',
        "pass",
        ("test_booklet.py::test_markdown_holds_no_tag_and_no_link_that_somebody_wrote",),
    ),
    # -- prompts -------------------------------------------------------------------------------------------------
    Guard(
        "a hint stands in its fence",
        "show/prompt.py",
        'parts.append(fenced_records(self._key, f"hints {turn.index}", "hints from viewers", records))',
        "parts.append(str(records))",
        ("show/test_prompt.py::test_no_prompt_holds_a_hint_outside_its_block",),
    ),
    Guard(
        "no text holds the mark of its own fence",
        "show/fencing.py",
        "if mark not in folded:",
        "if True:",
        ("show/test_fencing.py::test_nothing_inside_closes_a_fence_in_10_000_hostile_texts",),
    ),
    Guard(
        "no value in a fence begins a line",
        "show/fencing.py",
        "char if char.isprintable() else json.dumps(char)[1:-1] for char in quoted",
        "char for char in quoted",
        ("show/test_fencing.py::test_records_are_one_line_of_json_each",),
    ),
    Guard(
        "hints that the filter finds reach no prompt",
        "show/hints.py",
        'if self._filter.finds(text):\n            return "filtered"',
        'if False:\n            return "filtered"',
        ("show/test_hints.py::test_a_hint_is_declined_with_a_reason",),
    ),
    # -- what models say, and models that fail -------------------------------------------------------------------
    Guard(
        "a line that has a word of the list is not aired",
        "show/moderation.py",
        "if self._words.finds(_tail(before) + text):",
        "if False:",
        ("show/test_moderation.py::test_a_listed_word_is_found_however_it_is_written_or_cut",),
    ),
    Guard(
        "a word that is cut in two is found",
        "show/moderation.py",
        "if self._words.finds(_tail(before) + text):",
        "if self._words.finds(text):",
        ("show/test_moderation.py::test_a_listed_word_is_found_however_it_is_written_or_cut",),
    ),
    Guard(
        "once nobody looks nothing is aired",
        "show/moderation.py",
        'return "no answer"',
        'return ""',
        ("faults/test_moderation.py::test_once_nobody_looks_nothing_is_aired_and_the_show_ends",),
    ),
    Guard(
        "a reviewer's muddle is no leave",
        "llm/reviewing.py",
        "            if not isinstance(flagged, bool):\n",
        "            if False:\n",
        ("llm/test_reviewing.py::test_what_is_no_clear_answer_is_an_error",),
    ),
    Guard(
        "a hook's reason is a plain word or two",
        "llm/reviewing.py",
        'plain = _PLAIN.sub(" ", said).strip() if isinstance(said, str) else ""',
        "plain = str(said)",
        ("llm/test_reviewing.py::test_a_hooks_reason_is_a_plain_word_or_two",),
    ),
    Guard(
        "a hook does not reach into a private network",
        "llm/reviewing.py",
        "        if not allow_private:\n",
        "        if False:\n",
        ("llm/test_reviewing.py::test_a_hook_does_not_reach_into_a_private_network_unasked",),
    ),
    Guard(
        "no word of a viewer is remembered",
        "episodes/series.py",
        "        if speech.hints:\n",
        "        if False:\n",
        ("episodes/test_taint.py::test_no_hint_gets_into_memory_whoever_repeats_it",),
    ),
    Guard(
        "nothing is remembered that a producer may have quoted",
        "episodes/series.py",
        'if any(act.command in ("inject", "context") for act in transcript.acts):',
        "if False:",
        (
            "episodes/test_series.py::"
            "test_what_was_said_before_the_first_hint_is_remembered_and_nothing_after_a_producers_note",
        ),
    ),
    Guard(
        "where a model fails its stand-in is asked",
        "show/speech.py",
        "            if not await self._ask(voice, prompt_tokens, random):\n                return None\n",
        "            await self._ask(voice, prompt_tokens, random)\n            return None\n",
        ("faults/test_models.py::test_whatever_a_model_does_its_stand_in_holds_the_turn",),
    ),
    Guard(
        "only the choice that was asked for is read",
        "llm/completions.py",
        'if isinstance(choice, Mapping) and choice.get("index") in (0, None):',
        "if isinstance(choice, Mapping):",
        ("faults/test_models.py::test_oddities_of_a_model_need_no_stand_in",),
    ),
    Guard(
        "a refusal is taken at its word",
        "llm/retrying.py",
        "if not error.retryable or attempt >= self.attempts:",
        "if attempt >= self.attempts:",
        (
            "faults/test_models.py::"
            "test_a_refusal_before_the_first_word_is_the_stand_ins_turn_and_is_not_asked_for_twice",
        ),
    ),
    Guard(
        "who has no speech says so",
        "show/director.py",
        "if await self._open(speech) or (self._apologises(speech) and await self._open(speech)):",
        "if await self._open(speech):",
        ("show/test_director.py::test_a_moderator_apologises_as_well_and_the_debate_goes_on",),
    ),
    Guard(
        "what viewers have heard is not said again by another model",
        "show/speech.py",
        "                if self._draft.taken:\n                    return False\n",
        "",
        (
            "faults/test_models.py::test_what_viewers_have_heard_stands_and_nobody_says_it_again",
            "faults/test_models.py::test_a_model_that_falls_silent_after_some_words_is_asked_again_or_its_turn_is_over",
        ),
    ),
    Guard(
        "a provider that is down is left in peace",
        "llm/retrying.py",
        "if self._probe is not None or now < self._next_probe:",
        "if False:",
        ("faults/test_models.py::test_a_provider_that_is_down_is_left_in_peace_and_asked_again_later",),
    ),
    Guard(
        "a provider has its peace after a probe that took long to fail",
        "llm/retrying.py",
        "if opens or probed:",
        "if opens:",
        ("llm/test_retrying.py::test_a_provider_has_its_peace_after_a_probe_that_took_long_to_fail",),
    ),
    Guard(
        "a show waits for models that are all out",
        "show/director.py",
        "while await self._has_more(speech) or speech.out:",
        "while await self._has_more(speech):",
        (
            f"{OUTAGES}test_a_show_waits_for_its_models_and_loses_no_turn",
            "faults/test_models.py::test_a_show_whose_models_are_all_out_waits_and_goes_on_when_one_is_back",
        ),
    ),
    Guard(
        "what is not going to pass by itself is not waited for",
        "show/speech.py",
        'return error.kind == "unavailable" and isinstance(cause, ModelError) and cause.retryable',
        'return error.kind == "unavailable"',
        (f"{OUTAGES}test_what_only_an_operator_can_mend_is_not_waited_for",),
    ),
    Guard(
        "half a speech that is there is not waited over",
        "show/speech.py",
        "if begun or self.composed.is_set()",
        "if self.composed.is_set()",
        (f"{OUTAGES}test_half_a_speech_that_is_there_is_aired_rather_than_waited_for",),
    ),
    Guard(
        "a show waits for its models for so long and no longer",
        "show/outages.py",
        "async with self._clock.timeout(left_s):",
        "async with self._clock.timeout(None):",
        (f"{OUTAGES}test_a_show_waits_so_long_and_then_says_goodbye",),
    ),
    Guard(
        "all outages of a show count together, whoever performs it",
        "show/outages.py",
        "left_s = self._limit_s - self._writer.transcript.outage_s",
        "left_s = self._limit_s",
        (f"{OUTAGES}test_all_outages_of_a_show_together_last_so_long",),
    ),
    Guard(
        "a show that has waited for too long ends",
        "show/director.py",
        "if self._outages.lasted_too_long:\n                        return",
        "if False:\n                        return",
        (f"{OUTAGES}test_a_show_waits_so_long_and_then_says_goodbye",),
    ),
    Guard(
        "a wait for models goes on from where the program died",
        "show/director.py",
        "        await self._control.go_on()\n",
        "",
        (f"{OUTAGES}test_a_show_whose_program_dies_while_it_waits_goes_on_and_has_no_more_patience_than_before",),
    ),
    Guard(
        "one pause holds a show at a time",
        "show/control_desk.py",
        "            if self._writer.transcript.paused:\n                return False\n",
        "",
        (f"{OUTAGES}test_one_pause_holds_a_show_at_a_time",),
    ),
    Guard(
        "a model's silence has an end",
        "llm/deadlines.py",
        "first = limits.first_content_s - self._waited_s",
        "first = limits.reply_s - self._waited_s",
        ("llm/test_openai.py::test_fault_4_and_5_silence_and_comments_end_by_the_clock",),
    ),
    Guard(
        "a model that asks for patience gets it",
        "llm/retrying.py",
        "return max(backoff, min(error.retry_after_s, self.retry_after_cap_s))",
        "return backoff",
        ("faults/test_models.py::test_a_model_asks_for_patience_and_gets_as_much_as_a_show_has",),
    ),
    Guard(
        "nobody gets more patience than a show has",
        "llm/retrying.py",
        "return max(backoff, min(error.retry_after_s, self.retry_after_cap_s))",
        "return max(backoff, error.retry_after_s)",
        ("faults/test_models.py::test_a_model_asks_for_patience_and_gets_as_much_as_a_show_has",),
    ),
    Guard(
        "a reply without its end is not whole",
        "llm/completions.py",
        'raise ModelError(self._model, "truncated", "the reply ended without a finish_reason", retryable=True)',
        'return Finished("stop")',
        ("llm/test_openai.py::test_faults_in_mid_speech_come_after_the_words_before_them",),
    ),
    Guard(
        "a reply without its end is asked for again while nobody has heard of it",
        "show/speech.py",
        "        if not finished:\n            raise",
        "        if False:\n            raise",
        ("show/test_director.py::test_a_reply_without_its_end_that_nobody_has_heard_is_tried_again",),
    ),
    Guard(
        "an error is known in every shape",
        "llm/completions.py",
        'if payload.get("object") == "error" or payload.get("type") == "error":',
        "if False:",
        ("llm/test_openai.py::test_faults_in_mid_speech_come_after_the_words_before_them",),
    ),
    Guard(
        "thoughts are taken out of what is passed on",
        "llm/guard.py",
        "parts = self._thoughts.feed(self._text.feed(text[: self._room]))",
        "parts: list[TextDelta | ReasoningDelta] = [TextDelta(self._text.feed(text[: self._room]))]",
        ("llm/test_guard.py::test_of_10_000_pieces_that_are_passed_on_none_holds_a_thought",),
    ),
    Guard(
        "leaving a reply closes its socket",
        "llm/openai.py",
        "        finally:\n            await answer.close()\n",
        "        finally:\n            pass\n",
        ("llm/test_openai.py::test_leaving_the_block_closes_the_stream_within_a_second",),
    ),
    Guard(
        "a speech has so many words",
        "show/draft.py",
        "        if not self._too_long():\n            return True\n        self._clip()\n        return False\n",
        "        return True\n",
        ("faults/test_models.py::test_a_model_that_says_10_000_words_a_second_is_heard_at_the_pace_of_a_debate",),
    ),
    Guard(
        "no more tokens are lent than there are",
        "show/budget.py",
        "if limit is not None and tokens_gone + tokens > limit:",
        "if False:",
        ("show/test_director.py::test_a_token_budget_closes_the_show_after_the_current_speech",),
    ),
    Guard(
        "a target that does not answer is not waited for",
        "broadcast/session.py",
        "async with self._clock.timeout(self._limits.reply_timeout_s):\n                while not condition():",
        "async with self._clock.timeout(None):\n                while not condition():",
        ("broadcast/test_connection.py::test_a_dead_and_a_silent_target_delay_nobody",),
    ),
    Guard(
        "a line that was seen to arrive is not said again",
        "broadcast/line_feed.py",
        "if self._rooms.witnessed(room, line.text):",
        "if False:",
        ("broadcast/test_connection.py::test_twenty_drops_repeat_no_line_and_lose_none",),
    ),
    Guard(
        "lines keep their distance, also after a drop",
        "broadcast/lanes.py",
        "ready = max(self._sent_at.get(lane.host, now - self._limits.line_interval_s) + self._limits.line_interval_s,",
        "ready = max(now,",
        ("broadcast/test_line_feed.py::test_lines_are_two_seconds_apart_whatever_the_log_does_and_also_after_a_drop",),
    ),
    Guard(
        "what has piled up goes in few lines",
        "broadcast/lanes.py",
        "if piece.turn != first.turn or (refs and units > self._limit):",
        "if piece.turn != first.turn or refs:",
        ("broadcast/test_line_feed.py::test_a_backlog_is_joined_into_few_lines_within_the_limit",),
    ),
    Guard(
        "a server that sends nonsense is not left for it",
        "broadcast/session.py",
        '            self._log_once("bad_frame_received", exc.detail)\n            return\n',
        "            raise\n",
        ("broadcast/test_connection.py::test_a_hostile_server_is_survived_and_complained_of_once",),
    ),
    Guard(
        "nobody waits for an agent that is off the air",
        "broadcast/rooms.py",
        "if self._rooms.pop(agent, None) is not None:",
        "if self._rooms.get(agent) is not None:",
        ("broadcast/test_connection.py::test_an_agent_is_not_held_up_by_another_whose_socket_is_down",),
    ),
    Guard(
        "a show without a word ends",
        "show/director.py",
        "if self._mute_in_a_row >= self._mute_turns:",
        "if False:",
        ("faults/test_models.py::test_where_all_models_fail_viewers_hear_why_and_the_show_ends",),
    ),
    Guard(
        "a show that was broken off long ago disturbs nobody",
        "calendar/season.py",
        "lost = silent_s > SILENT_AT_MOST_S or",
        "lost = False or",
        ("calendar/test_season.py::test_a_show_that_was_broken_off_long_ago_is_cut_off_and_never_given_again",),
    ),
    Guard(
        "a show that kills whoever gives it is given up",
        "calendar/season.py",
        "or remains.taken_up >= TAKEN_UP_AT_MOST",
        "or False",
        ("calendar/test_season.py::test_a_show_that_kills_whoever_gives_it_is_given_up",),
    ),
    Guard(
        "under serve a show goes on by itself",
        "calendar/season.py",
        "if production is not None and not production.running and not lost:",
        "if False:",
        (
            "end_to_end/test_serve.py::"
            "test_a_second_process_stands_by_and_goes_on_with_all_shows_when_the_first_is_killed",
        ),
    ),
    # -- floods --------------------------------------------------------------------------------------------------
    Guard(
        "hints come no faster than a viewer and an address may",
        "stage/hints.py",
        "wait_s = max(self._viewers.wait_s(viewer), self._addresses.wait_s(network_of(address)))",
        "wait_s = 0.0",
        ("stage/test_hints.py::test_too_many_hints_are_refused_with_the_time_to_wait",),
    ),
    Guard(
        "a flood of hints leaves memory bounded",
        "stage/hints.py",
        "if len(self._hints) > HINTS_KEPT:",
        "if False:",
        ("stage/test_hints.py::test_a_flood_of_hints_from_everywhere_leaves_memory_bounded",),
    ),
    Guard(
        "the names that rates know are bounded",
        "stage/rates.py",
        "if len(self._buckets) > BUCKETS_KEPT:",
        "if False:",
        (
            "stage/test_rates.py::test_names_are_forgotten_in_the_order_they_were_last_seen",
            "stage/test_hints.py::test_a_flood_of_hints_from_everywhere_leaves_memory_bounded",
        ),
    ),
    Guard(
        "made-up viewers of one address vote no faster than it may",
        "stage/ballots.py",
        "if wait_s := max(self._viewers.wait_s(viewer), self._addresses.wait_s(network)):",
        "if wait_s := self._viewers.wait_s(viewer):",
        ("stage/test_ballots.py::test_made_up_viewers_of_one_address_are_held_back",),
    ),
    Guard(
        "no vote counts after the close",
        "stage/ballots.py",
        "if not poll.open or vote not in {None, poll.vote}:",
        "if False:",
        ("stage/test_ballots.py::test_a_vote_that_does_not_count_is_refused_with_a_reason",),
    ),
    Guard(
        "a box holds so many voters",
        "stage/ballots.py",
        "if voter not in poll.ballots and len(poll.ballots) >= VOTERS_LIMIT:",
        "if False:",
        ("stage/test_ballots.py::test_the_box_has_a_bottom",),
    ),
    Guard(
        "a viewer says no more than so much",
        "stage/viewers.py",
        "if bucket.take(self._clock.monotonic()):",
        "if False:",
        ("stage/test_viewers.py::test_who_talks_without_end_is_closed",),
    ),
    Guard(
        "agents say no more than so much",
        "stage/agents.py",
        "wait_s = self._bucket.take(self._clock.monotonic())\n",
        "wait_s = 0.0\n",
        (AGENTS + "test_who_sends_too_fast_is_warned_and_loses_lines",),
    ),
    Guard(
        "what one agent has sent waits within bounds",
        "stage/inbox.py",
        "while self.full and not self._closed:",
        "while False:",
        (
            "stage/test_inbox.py::test_messages_come_out_in_order_and_never_wait_by_more_than_the_limit_and_one",
            AGENTS + "test_who_sends_faster_than_it_is_heard_waits_and_the_stage_keeps_little_of_it",
        ),
    ),
    Guard(
        "one address has so many agents",
        "stage/agents.py",
        "or self._addresses[place] >= self._max_per_address:",
        "or False:",
        (AGENTS + "test_a_stage_takes_so_many_agents_from_one_address_and_says_so_to_the_next",),
    ),
    Guard(
        "one address has so many viewers",
        "stage/viewers.py",
        "if len(self) + self._at_the_door >= self._max_viewers or here >= self._max_per_address:",
        "if len(self) + self._at_the_door >= self._max_viewers:",
        (
            "stage/test_viewers.py::test_there_is_a_limit_to_viewers_and_to_those_of_one_address",
            VIEWERS + "test_one_address_gets_its_share_of_connections_and_others_are_served",
        ),
    ),
    Guard(
        "who says nothing is not kept",
        "stage/agents.py",
        "if connection.agent is None:\n            await connection.hang_up",
        "if False:\n            await connection.hang_up",
        (AGENTS + "test_who_does_not_say_who_it_is_is_closed_and_who_does_stays",),
    ),
    # -- frames --------------------------------------------------------------------------------------------------
    Guard(
        "a frame has so many bytes",
        "pulsar/frames.py",
        "if size > max_bytes:",
        "if False:",
        ("pulsar/test_frames.py::test_hostile_frames_are_refused",),
    ),
    Guard(
        "a frame is so deep",
        "pulsar/frames.py",
        "            _check_depth(message)\n",
        "            pass\n",
        ("pulsar/test_frames.py::test_hostile_frames_are_refused",),
    ),
    Guard(
        "numbers that are none are refused",
        "pulsar/frames.py",
        "raise ValueError(name)",
        "return 0  # type: ignore[return-value]",
        ("pulsar/test_frames.py::test_hostile_frames_are_refused",),
    ),
    Guard(
        "lone surrogates are replaced",
        "pulsar/frames.py",
        "if _may_hold_surrogates(text):",
        "if False:",
        ("pulsar/test_frames.py::test_lone_surrogates_are_replaced_in_values_and_keys",),
    ),
    Guard(
        "nesting without end is an error like any other",
        "stage/viewers.py",
        "except (ValueError, RecursionError):",
        "except ValueError:",
        (
            "abuse/test_frames.py::test_no_message_breaks_the_stage",
            "stage/test_viewers.py::test_what_a_viewer_says_amiss_is_an_error_and_no_more",
        ),
    ),
    Guard(
        "who sends nonsense on and on is closed",
        "stage/agents.py",
        "if self._refusals == REFUSALS_LIMIT:",
        "if False:",
        (AGENTS + "test_nonsense_without_end_closes_the_connection",),
    ),
    Guard(
        "a frame that breaks its handler ends nothing else",
        "stage/agents.py",
        "except Exception:  # one agent's frame must not end the stage",
        "except KeyError:  # one agent's frame must not end the stage",
        (AGENTS + "test_a_message_that_the_stage_fails_on_ends_nothing_else",),
    ),
    Guard(
        "deflate is never agreed to",
        "stage/agents.py",
        "compress=False,",
        "compress=True,",
        ("abuse/test_frames.py::test_a_deflate_bomb_is_not_unpacked",),
    ),
    Guard(
        "an agent's message is so long",
        "stage/agents.py",
        "if DEBATE_SHOW not in self.features and _longer(message.data, MAX_FRAME):",
        "if False:",
        (AGENTS + "test_a_frame_above_the_limit_closes_the_connection",),
    ),
    Guard(
        "a body that does not come is not waited for",
        "stage/http.py",
        "async with self._clock.timeout(BODY_S):",
        "async with self._clock.timeout(None):",
        ("abuse/test_slow_requests.py::test_a_body_that_does_not_come_is_not_waited_for",),
    ),
    Guard(
        "half a handshake is cut",
        "stage/server.py",
        "keepalive_timeout=IDLE_S,",
        "keepalive_timeout=3600.0,",
        ("abuse/test_slow_requests.py::test_half_open_handshakes_are_cut_at_the_deadline_and_hold_up_nobody",),
    ),
    # -- viewers -------------------------------------------------------------------------------------------------
    Guard(
        "who does not read is cut",
        "stage/fan_out.py",
        "if self.transport.get_write_buffer_size() > BUFFER_LIMIT:",
        "if False:",
        (
            "stage/test_viewers.py::test_who_does_not_read_is_cut_and_nobody_else_waits",
            VIEWERS + "test_a_viewer_whose_process_stands_still_is_cut_and_the_others_get_everything",
        ),
    ),
    Guard(
        "who does not read history is cut",
        "stage/viewers.py",
        "async with self._clock.timeout(STALLED_S):",
        "async with self._clock.timeout(None):",
        ("stage/test_viewers.py::test_who_does_not_read_its_history_is_cut",),
    ),
    Guard(
        "a viewer who answers no ping is cut",
        "stage/viewers.py",
        "elif viewer.silent:",
        "elif False:",
        (
            "stage/test_viewers.py::test_a_quiet_viewer_is_pinged_and_one_that_does_not_answer_is_cut",
            VIEWERS + "test_a_line_that_is_dead_without_a_word_is_noticed_within_45_s",
        ),
    ),
    Guard(
        "a place beyond the end is a reset",
        "stage/viewers.py",
        'return Position(after) if after <= show.air.head else Position(0, reset="position")',
        "return Position(after)",
        ("stage/test_viewers.py::test_a_position_that_does_not_exist_is_reset_and_said_so",),
    ),
    Guard(
        "a viewer goes on where it was",
        "stage/viewers.py",
        'return Position(after) if after <= show.air.head else Position(0, reset="position")',
        'return Position(0, reset="" if after <= show.air.head else "position")',
        (VIEWERS + "test_a_viewer_who_drops_50_times_gets_every_event_once",),
    ),
    Guard(
        "a viewer becomes live where its history ends",
        "stage/viewers.py",
        "while after != fan_out.position:",
        "while after < 0:",
        (
            "stage/test_viewers.py::test_viewers_who_join_while_events_flow_see_each_event_once",
            "stage/test_coming_back.py",
            VIEWERS + "test_a_viewer_who_drops_50_times_gets_every_event_once",
        ),
    ),
    Guard(
        "who has gone counts no more",
        "stage/viewers.py",
        "        show.fan_out.leave(viewer)\n        show.forget",
        "        show.forget",
        (VIEWERS + "test_the_count_is_right_after_100_viewers_were_killed",),
    ),
    Guard(
        "who has gone leaves nothing behind",
        "stage/viewers.py",
        "        del self.watching[viewer]\n",
        "        pass\n",
        (VIEWERS + "test_who_came_and_went_leaves_nothing_behind",),
    ),
    Guard(
        "an event of SSE has its number",
        "stage/fan_out.py",
        'b"id: %d\\ndata: %b\\n\\n" % (event.seq, event.json)',
        'b"data: %b\\n\\n" % event.json',
        ("stage/test_viewers.py::test_sse_goes_on_after_the_last_event_id_and_tells_who_comes_back_to_the_end_not_to",),
    ),
    Guard(
        "a viewer by SSE gets the bytes of one by WebSocket",
        "stage/fan_out.py",
        "return self.frame[2 if first < 126 else 4 if first == 126 else 10 :]",
        "return self.frame[2:]",
        ("stage/test_viewers.py::test_websocket_and_sse_viewers_get_the_same_bytes",),
    ),
    Guard(
        "a stage whose log takes nothing is not ready",
        "stage/http.py",
        "if failing or not await self._programme.archive.writable():",
        "if False:",
        ("stage/test_http.py::test_readiness_follows_the_log_and_liveness_does_not",),
    ),
    # -- scenarios -----------------------------------------------------------------------------------------------
    Guard(
        "no aliases in YAML",
        "scenario/yaml_source.py",
        "if isinstance(event, AliasEvent):",
        "if False:",
        ("scenario/test_yaml_source.py::test_everything_else_is_refused_with_its_place_and_cure",),
    ),
    Guard(
        "a YAML file holds so much",
        "scenario/yaml_source.py",
        "if self._values > MAX_VALUES:",
        "if False:",
        ("scenario/test_yaml_source.py::test_a_bomb_is_refused_quickly_and_without_growing",),
    ),
    Guard(
        "a YAML file is so deep",
        "scenario/yaml_source.py",
        "if len(self._stack) >= MAX_DEPTH:",
        "if False:",
        ("scenario/test_yaml_source.py::test_nesting_has_a_limit",),
    ),
    Guard(
        "no tags in YAML",
        "scenario/yaml_source.py",
        "if event.tag is not None:",
        "if False:",
        ("scenario/test_yaml_source.py::test_everything_else_is_refused_with_its_place_and_cure",),
    ),
    Guard(
        "a file of a scenario is so long",
        "scenario/source_file.py",
        "if len(content) > MAX_BYTES:",
        "if False:",
        ("scenario/test_source_file.py::test_a_file_may_be_as_long_as_the_limit_and_no_longer",),
    ),
    Guard(
        "a pipe is no file",
        "scenario/source_file.py",
        "if not stat.S_ISREG(os.fstat(handle).st_mode):",
        "if False:",
        ("scenario/test_source_file.py::test_a_folder_is_no_file",),
    ),
    Guard(
        "a pipe is not waited for",
        "scenario/source_file.py",
        'os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)',
        "os.O_RDONLY",
        ("scenario/test_source_file.py::test_a_pipe_is_refused_without_waiting_for_a_writer",),
    ),
    Guard(
        "a link leads nowhere out of the folder",
        "scenario/source_file.py",
        "if within is not None and not real.is_relative_to(_resolved(within)):",
        "if False:",
        ("scenario/test_library.py::test_a_link_out_of_the_folder_is_refused_without_a_word_of_its_contents",),
    ),
    Guard(
        "a name is no path",
        "scenario/script.py",
        'NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"',
        'NAME = r"^.+$"',
        ("scenario/test_loading.py::test_a_name_leads_into_no_folder_below",),
    ),
    Guard(
        "a secret does not stand in a file",
        "scenario/scalars.py",
        "if _SECRET.search(text):",
        "if False:",
        ("scenario/test_loading.py::test_a_secret_in_a_file_is_refused_and_never_repeated",),
    ),
    # -- models' servers -----------------------------------------------------------------------------------------
    Guard(
        "an address in a private network makes no model",
        "addresses.py",
        "if written and not is_public(written):",
        "if False:",
        ("llm/test_destinations.py::test_no_spelling_of_a_private_address_makes_a_model",),
    ),
    Guard(
        "a name that leads into a private network is not connected to",
        "llm/destinations.py",
        "if not all(is_public(address) for address in found):",
        "if False:",
        ("llm/test_destinations.py::test_a_name_that_leads_into_a_private_network_is_not_gone_to",),
    ),
    Guard(
        "the address that was checked is the one connected to",
        "llm/destinations.py",
        "request.url = url.copy_with(host=address)",
        "request.url = url",
        ("llm/test_destinations.py::test_the_address_that_was_checked_is_the_one_connected_to",),
    ),
    Guard(
        "an address that carries another is looked into",
        "addresses.py",
        "if _is_carrier(address) or int(address) < 2**32:",
        "if False:",
        ("test_addresses.py::test_what_is_not_the_public_internet_is_known_in_every_wrapping",),
    ),
    Guard(
        "a redirect is not followed",
        "llm/openai.py",
        "follow_redirects=False",
        "follow_redirects=True",
        ("llm/test_destinations.py::test_a_models_server_that_sends_us_elsewhere_is_not_followed",),
    ),
    Guard(
        "a key does not cross the internet in the clear",
        "addresses.py",
        'if scheme == "http" and has_key:',
        "if False:",
        ("llm/test_destinations.py::test_a_key_does_not_cross_the_internet_in_the_clear",),
    ),
    Guard(
        "a model's answer has so many bytes",
        "llm/openai.py",
        "            if left < 0:\n",
        "            if False:\n",
        ("llm/test_openai.py::test_an_answer_without_end_is_cut_off",),
    ),
    # -- secrets and the terminal --------------------------------------------------------------------------------
    Guard(
        "secrets are hidden in every line of the log",
        "cli/log_output.py",
        "                redaction,\n",
        "",
        (
            "cli/test_log_output.py::test_a_traceback_is_logged_without_the_secrets_in_it",
            "abuse/test_canaries.py::test_no_secret_comes_out_anywhere",
        ),
    ),
    Guard(
        "what looks like a secret is hidden as well",
        "cli/log_output.py",
        "return _SECRET_VALUE.sub(lambda found: f\"{found['lead'] or found['scheme'] or ''}{HIDDEN}\", text)",
        "return text",
        ("cli/test_log_output.py::test_what_looks_like_a_secret_is_hidden",),
    ),
    Guard(
        "one event is one line",
        "cli/printable.py",
        "json.dumps(character)[1:-1] if unicodedata.category(character) in _ESCAPED else character for",
        "character for",
        ("cli/test_log_output.py::test_no_text_can_forge_a_line_or_steer_the_terminal",),
    ),
    Guard(
        "nothing that steers a terminal is printed",
        "cli/printable.py",
        "return None if category in _NOT_PRINTED or noncharacter else ord(character)",
        "return ord(character)",
        ("cli/test_printable.py::test_nothing_that_steers_a_terminal_is_printed",),
    ),
    # -- the logs ------------------------------------------------------------------------------------------------
    Guard(
        "a stale place in the log is refused",
        "log/sqlite.py",
        "if last_seq != request.expect:",
        "if last_seq < request.expect:",
        ("log/test_sqlite.py",),
    ),
    Guard(
        "a stale epoch is refused",
        "log/sqlite.py",
        "elif request.epoch < epoch:",
        "elif False:",
        ("log/test_sqlite.py", TAKEOVER + "test_who_was_taken_over_from_adds_nothing"),
    ),
    Guard(
        "who takes a show over begins an epoch",
        "show/log_writer.py",
        "        self._epoch += 1\n",
        "",
        (TAKEOVER + "test_who_was_taken_over_from_adds_nothing",),
    ),
    Guard(
        "what is acknowledged is on the disk",
        "log/sqlite.py",
        'connection.execute("PRAGMA synchronous = FULL")',
        'connection.execute("PRAGMA synchronous = OFF")',
        ("log/test_sqlite.py::test_commits_wait_for_the_disk",),
    ),
    Guard(
        "a commit is whole or not there",
        "log/sqlite.py",
        'connection.execute("BEGIN IMMEDIATE")',
        "pass",
        ("log/test_sqlite.py",),
    ),
    Guard(
        "another program's database is left alone",
        "log/sqlite.py",
        "if tables and application != APPLICATION_ID:",
        "if False:",
        ("log/test_sqlite.py::test_another_programs_database_is_left_alone",),
    ),
    Guard(
        "a newer program's log is left alone",
        "log/sqlite.py",
        "if version > SCHEMA_VERSION:",
        "if False:",
        ("log/test_sqlite.py::test_many_appends_at_once_share_a_commit",),
    ),
    Guard(
        "a locked file is waited for",
        "log/sqlite.py",
        'connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")',
        'connection.execute("PRAGMA busy_timeout = 0")',
        (
            "log/test_sqlite.py::test_a_locked_file_is_waited_for",
            DISK + "test_a_log_that_another_program_locks_for_a_while_loses_nothing",
        ),
    ),
    Guard(
        "a show waits while its log takes nothing",
        "show/log_writer.py",
        "if not exc.passing or not expect or self._giving_in.is_set():",
        "if True:",
        (DISK + "test_a_show_waits_while_its_log_takes_nothing_and_goes_on",),
    ),
    Guard(
        "a log that is broken for good is not waited for",
        "log/sqlite.py",
        "passing = code in _CURES and code not in _LASTING",
        "passing = True",
        ("log/test_sqlite.py::test_a_file_that_is_broken_for_good_says_so_and_a_full_disk_does_not",),
    ),
    Guard(
        "a full disk is waited for",
        "log/sqlite.py",
        "passing = code in _CURES and code not in _LASTING",
        "passing = False",
        (DISK + "test_a_disk_that_takes_nothing_stops_the_show_says_why_and_harms_nothing",),
    ),
    Guard(
        "a show that waits for its log can be stopped",
        "show/log_writer.py",
        "        self._giving_in.set()\n",
        "        pass\n",
        (DISK + "test_a_show_that_waits_for_its_log_can_be_stopped",),
    ),
    Guard(
        "what a failed attempt had stored is not stored twice",
        "show/log_writer.py",
        "if attempt and await self._is_there(bodies, expect):",
        "if False:",
        (DISK + "test_what_a_failed_attempt_had_stored_is_not_stored_twice",),
    ),
    Guard(
        "nothing is aired before it is stored",
        "show/log_writer.py",
        "await asyncio.shield(write.stored)",
        "await asyncio.sleep(0)",
        (
            "show/test_log_writer.py::test_another_writer_fences_this_one",
            DISK + "test_a_show_waits_while_its_log_takes_nothing_and_goes_on",
        ),
    ),
    Guard(
        "the stage shows nothing that is not stored",
        "stage/air.py",
        "await self._clock.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])",
        "break",
        ("stage/test_air.py::test_nothing_is_shown_that_is_not_in_the_log_and_all_of_it_once_that_can_be_written",),
    ),
    Guard(
        "a line sent twice is aired once",
        "stage/broadcasts.py",
        "if room.is_repetition(line.ref):",
        "if False:",
        (AGENTS + "test_each_line_is_acknowledged_with_its_place_and_a_repeated_one_is_not_aired_again",),
    ),
    # -- going on ------------------------------------------------------------------------------------------------
    Guard(
        "a turn that was broken off is held again",
        "show/director.py",
        'if broken_off := self._bulletins.turn_cut_short("the show was broken off here", again=True):',
        'if broken_off := self._bulletins.turn_cut_short("the show was broken off here", again=False):',
        (
            "faults/test_kills.py::test_a_show_survives_being_killed_four_times",
            TAKEOVER + "test_a_show_that_is_cut_off_anywhere_goes_on_to_its_end",
            "show/test_control_desk.py::test_wherever_a_directed_show_is_broken_off_it_goes_on_to_its_end",
        ),
    ),
    Guard(
        "time between two epochs is no time on air",
        "show/transcript.py",
        "if self.at is not None and not (self.ended or isinstance(event, EpochBegan)):",
        "if self.at is not None and not self.ended:",
        (TAKEOVER + "test_time_off_the_air_is_no_time_on_air",),
    ),
    Guard(
        "what fails is taken back whole",
        "log/sqlite.py",
        "if connection.in_transaction:",
        "if False:",
        ("log/test_sqlite.py::test_a_transaction_that_fails_in_the_middle_leaves_nothing_behind",),
    ),
    Guard(
        "a show does not wait for a log that is broken for good",
        "show/log_writer.py",
        "if not exc.passing or not expect or self._giving_in.is_set():",
        "if not expect or self._giving_in.is_set():",
        (DISK + "test_a_show_whose_log_is_broken_for_good_does_not_wait",),
    ),
    Guard(
        "a signal ends a show politely",
        "cli/interruption.py",
        "        loop.add_signal_handler(number, interrupt, number)\n",
        "        pass\n",
        ("end_to_end/test_run.py::test_a_signal_ends_the_show_politely_within_two_seconds",),
    ),
    Guard(
        "what was spent before counts",
        "show/budget.py",
        "        self._tokens += tokens\n        self._cost += cost\n",
        "        pass\n",
        (TAKEOVER + "test_what_was_spent_before_counts",),
    ),
    Guard(
        "a show that runs is not taken up",
        "cli/resumption.py",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n    except BlockingIOError:",
        "pass\n    except BlockingIOError:",
        ("cli/test_resumption.py::test_a_show_that_runs_is_not_taken_up",),
    ),
    Guard(
        "a show does not go on as another debate",
        "cli/resumption.py",
        "if debate_digest(scenario) != self.keepsake.digest:",
        "if False:",
        ("faults/test_kills.py::test_a_show_whose_scenario_has_changed_does_not_go_on_with_another_debate",),
    ),
    Guard(
        "a viewer who offers a hint twice has offered one",
        "show/hints.py",
        "if not hint or hint in self._seen or any(waiting.id == hint for waiting in self._waiting()):",
        "if not hint:",
        ("show/test_hints.py::test_the_same_id_is_decided_once",),
    ),
    # -- what strangers read -------------------------------------------------------------------------------------
    Guard(
        "money and tokens are not for strangers",
        "stage/server.py",
        "figures if metrics_token or ours_to_see else ()",
        "figures",
        (METRICS + "test_strangers_do_not_read_what_shows_cost",),
    ),
    Guard(
        "a stage behind a proxy is one for strangers",
        "stage/server.py",
        "ours_to_see = not public and not public_url",
        "ours_to_see = not public",
        (METRICS + "test_strangers_do_not_read_what_shows_cost",),
    ),
    Guard(
        "figures want their token",
        "stage/http.py",
        "if self._metrics_token and not hmac.compare_digest(_bearer(request).encode(), self._metrics_token.encode()):",
        "if False:",
        (METRICS + "test_where_there_is_a_token_nobody_reads_figures_without_it",),
    ),
    Guard(
        "labels that a scenario makes up are so many at most",
        "figures.py",
        "if labels in values or len(values) < most else",
        "if True else",
        ("show/test_figures.py::test_scenarios_that_name_ever_new_servers_make_no_more_series_than_there_may_be",),
    ),
    Guard(
        "an address of a removed show says gone",
        "stage/programme.py",
        "        if identity in self.archive.forgotten:\n",
        "        if False:\n",
        ("stage/test_programme.py::test_a_show_that_was_removed_is_in_no_list_and_every_address_of_it_says_gone",),
    ),
    Guard(
        "a show that goes on gets the identities that it had",
        "broadcast/credentials.py",
        "for name in [*self._had_by(show, names), *names]:",
        "for name in names:",
        (
            "broadcast/test_credentials.py"
            "::test_a_show_that_goes_on_gets_the_identity_that_it_had_whoever_else_is_there",
        ),
    ),
    Guard(
        "an episode whose process died is written down by the next",
        "episodes/series.py",
        "if not episode.ended and episode.show != show:",
        "if False:",
        ("episodes/test_series.py::test_an_episode_whose_process_died_after_its_end_is_written_down_by_the_next",),
    ),
    Guard(
        "a show that is resumed is the episode that it was",
        "episodes/series.py",
        "episode = annals.of(show) or await self._begin(scenario, show, annals)",
        "episode = await self._begin(scenario, show + '+', annals)",
        ("cli/test_remembering.py::test_a_show_that_is_resumed_is_the_episode_that_it_was",),
    ),
    # -- backups -------------------------------------------------------------------------------------------------
    Guard(
        "a database is copied as of one moment",
        "cli/backups.py",
        'if path.suffix == ".db":',
        "if False:",
        (
            BACKUPS + "test_a_log_that_is_written_meanwhile_is_restored_up_to_one_moment",
            BACKUPS + "test_a_commit_under_way_is_neither_waited_for_nor_copied",
        ),
    ),
    Guard(
        "what is in a backup is what was put there",
        "cli/backups.py",
        "if _digest(draft / name) != digest:",
        "if False:",
        (BACKUPS + "test_a_damaged_backup_restores_nothing",),
    ),
    Guard(
        "a backup overwrites nothing",
        "cli/backups.py",
        "if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):",
        "if False:",
        (
            BACKUPS + "test_a_backup_in_a_used_folder_is_refused_and_changes_nothing",
            BACKUPS + "test_a_restore_over_a_data_folder_in_use_is_refused",
        ),
    ),
    # -- the calendar --------------------------------------------------------------------------------------------
    Guard(
        "slots follow the clocks of their place",
        "scenario/recurrence.py",
        'after.astimezone(UTC if zone.key == "UTC" else zone)',
        "after.astimezone(UTC)",
        (
            "scenario/test_recurrence.py::test_half_past_two_comes_once_whatever_the_clocks_do",
            SEASON + "test_a_year_in_six_zones_is_what_their_clocks_show",
        ),
    ),
    Guard(
        "of missed slots only the newest starts",
        "calendar/docket.py",
        "elif slot is not may_start[-1] or too_late(slot, now):",
        "elif too_late(slot, now):",
        ("calendar/test_docket.py::test_of_several_missed_slots_within_their_grace_only_the_newest_starts",),
    ),
    Guard(
        "a slot whose grace is over starts nothing",
        "calendar/docket.py",
        "elif slot is not may_start[-1] or too_late(slot, now):",
        "elif slot is not may_start[-1]:",
        (
            SEASON + "test_a_clock_that_is_set_neither_doubles_a_slot_nor_causes_a_burst",
            SEASON + "test_after_an_outage_over_three_slots_at_most_the_newest_starts_and_only_within_its_grace",
        ),
    ),
    Guard(
        "the wall clock is looked at again and again",
        "calendar/season.py",
        "        wait = self._step_s\n",
        "        wait = 1e9\n",
        (SEASON + "test_a_machine_that_slept_over_a_slot_starts_it_when_it_wakes_within_the_grace",),
    ),
    Guard(
        "a show that lasts into the next slot is left, followed or ended",
        "calendar/docket.py",
        "    if not busy:\n",
        "    if True:\n",
        (SEASON + "test_a_show_longer_than_its_period_is_left_followed_or_ended",),
    ),
    Guard(
        "an edit counts from when it was made",
        "calendar/season.py",
        "if row.entries != entries:",
        "if False:",
        (SEASON + "test_a_slot_that_waits_for_its_jitter_survives_an_edit",),
    ),
    Guard(
        "a schedule that fires too often is refused",
        "scenario/recurrence.py",
        "if least < shortest_period_s:",
        "if False:",
        ("scenario/test_recurrence.py::test_a_cron_that_is_none_or_too_fast_or_never_fires_is_refused",),
    ),
    Guard(
        "a machine without time zones is told so",
        "scenario/recurrence.py",
        "if not zone_names():",
        "if False:",
        ("scenario/test_recurrence.py::test_a_machine_without_time_zone_data_is_told_so",),
    ),
    Guard(
        "a simulated show goes on after a death for as long as was left of it",
        "calendar/simulation.py",
        "                so_far.left_s -= clock.monotonic() - began\n",
        "                pass\n",
        ("calendar/test_simulation.py::test_what_is_simulated_is_what_real_calendars_do_that_die",),
    ),
    Guard(
        "a mistake in a scenario's file changes nothing",
        "calendar/scripts.py",
        "            script.problem = str(exc)\n",
        "            script.problem, script.scenario = str(exc), None\n",
        ("calendar/test_scripts.py::test_a_mistake_keeps_the_last_good_version_and_is_told_until_it_is_mended",),
    ),
    Guard(
        "a calendar that is stopped ends what runs",
        "calendar/season.py",
        "                    for running in production.running:\n                        running.stop.set()\n",
        "                    pass\n",
        (
            SEASON + "test_a_stop_ends_what_runs_and_starts_nothing",
            "web/test_unattended.py::test_history_pages_and_metrics_of_a_calendar_agree_over_an_edit_and_a_stop",
        ),
    ),
    # -- models --------------------------------------------------------------------------------------------------
    Guard(
        "an option that a model's server does not know is left out",
        "llm/openai.py",
        "option = next((name for name in _OPTIONAL if name in body and name in said), None)",
        "option = None",
        ("faults/test_models.py::test_oddities_of_a_model_need_no_stand_in",),
    ),
)
