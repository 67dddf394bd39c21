import assert from "node:assert/strict";
import { test } from "node:test";

import { ago, clockFace, length, localClock, localTime } from "../../src/debate_caster/stage/web/durations.js";

test("a clock counts hours from the first one on", () => {
  assert.deepEqual([0, 247_000, 3_847_000, -5].map(clockFace), ["0:00", "4:07", "1:04:07", "0:00"]);
});

test("what was is told in the largest unit that fits", () => {
  const then = (seconds) => ago(0, seconds * 1000);
  assert.deepEqual([10, 720, 7200, 172_800].map(then), ["just now", "12 minutes ago", "2 hours ago", "2 days ago"]);
});

test("lengths are short", () => {
  assert.deepEqual([42_000, 720_000, 3_900_000].map(length), ["42 s", "12 min", "1 h 5 min"]);
});

test("an instant is told in the viewer's own zone, by name", () => {
  const instant = Date.parse("2026-11-20T19:00:00.000Z");
  assert.equal(localTime(instant, { zone: "Europe/Paris" }), "20 Nov 2026, 20:00 CET");
  assert.equal(localTime(instant, { zone: "UTC" }), "20 Nov 2026, 19:00 UTC");
  assert.match(localTime(instant, { zone: "Asia/Kolkata" }), /21 Nov 2026, 00:30/);
});

test("a time of day has seconds and is the reader's own", () => {
  assert.equal(localClock(Date.parse("2026-11-20T19:04:12.900Z"), { zone: "Europe/Berlin" }), "20:04:12");
});
