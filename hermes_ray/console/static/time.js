// Times for people: in the visitor's zone, with the date where it is not today, and never the year 1970.

const EARLIEST_MS = Date.UTC(2000, 0, 1); // a camera without a clock says 1970; that is no time to show
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * @param {Object} text the block `time` of a language.
 * @param {string} language BCP 47.
 */
export function createTime(text, language) {
  const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
  const dayAndYear = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric" });
  const full = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "long" });
  let ahead = 0;

  const known = (ms) => Number.isFinite(ms) && ms >= EARLIEST_MS;

  const time = {
    /** The API's clock, milliseconds since the epoch; the visitor's own until the API has told. */
    now: () => Date.now() + ahead,
    /** Take over the API's clock. */
    tell(nowMs) {
      ahead = nowMs - Date.now();
    },
    /** Whether that is a time that a camera can have meant. */
    known,
    /** "14:03:22" today, "26 Nov, 14:03:22" on another day, with the year in another one. */
    at(ms, nowMs = time.now()) {
      if (!known(ms)) return text.unknown;
      const when = new Date(ms);
      const now = new Date(nowMs);
      if (when.toDateString() === now.toDateString()) return clock.format(when);
      const date = when.getFullYear() === now.getFullYear() ? day : dayAndYear;
      return text.dateAndClock(date.format(when), clock.format(when));
    },
    /** All of it, for a title. */
    full: (ms) => (known(ms) ? full.format(new Date(ms)) : text.unknown),
    /** "4 s ago", "just now". */
    ago(ms, nowMs = time.now()) {
      if (!known(ms)) return text.unknown;
      const passed = nowMs - ms;
      return passed < SECOND ? text.justNow : text.ago(time.span(passed));
    },
    /** A length of time in its two largest units: "850 ms", "4 s", "3 min", "2 h 5 min", "12 d 4 h". */
    span(ms) {
      if (!Number.isFinite(ms)) return text.unknown;
      const length = Math.max(0, ms);
      if (length < SECOND) return text.milliseconds(Math.round(length));
      if (length < 10 * SECOND) return text.seconds(Math.round(length / 100) / 10);
      if (length < MINUTE) return text.seconds(Math.floor(length / SECOND));
      if (length < HOUR) return text.minutes(Math.floor(length / MINUTE));
      if (length < DAY) return joined(text.hours(Math.floor(length / HOUR)), Math.floor((length % HOUR) / MINUTE), text.minutes);
      return joined(text.days(Math.floor(length / DAY)), Math.floor((length % DAY) / HOUR), text.hours);
    },
  };
  return time;
}

const joined = (large, small, unit) => (small ? `${large} ${unit(small)}` : large);
