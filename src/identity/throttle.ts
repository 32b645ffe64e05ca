/**
 * Token buckets: how often somebody may do something, and how long to wait when it was too often.
 *
 * In memory; a start begins with full buckets.
 */
export type Bucket = {
  /** Calls at once. */
  readonly capacity: number;
  readonly perSecond: number;
};

export type Throttle = {
  /** Takes one; says what is left, or how many seconds to wait. */
  readonly take: (key: string, bucket: Bucket) => Taken;
  /** After a call that should not have counted. */
  readonly giveBack: (key: string, bucket: Bucket) => void;
  /** What is left, without taking. */
  readonly look: (key: string, bucket: Bucket) => Taken;
};

export type Taken =
  | { readonly ok: true; readonly left: number }
  | { readonly ok: false; readonly waitS: number };

type Level = { readonly tokens: number; readonly at: number };
/** Keys may be chosen by strangers: more than this are not remembered. */
const MOST_KEYS = 10_000;

export function openThrottle(now: () => number): Throttle {
  const levels = new Map<string, Level>();
  const levelOf = (key: string, { capacity, perSecond }: Bucket): number => {
    const level = levels.get(key);
    if (level === undefined) return capacity;
    const passedS = Math.max(0, now() - level.at) / 1000;
    return Math.min(capacity, level.tokens + passedS * perSecond);
  };
  const answer = (tokens: number, perSecond: number): Taken =>
    1 <= tokens
      ? { ok: true, left: Math.floor(tokens - 1) }
      : { ok: false, waitS: Math.max(1, Math.ceil((1 - tokens) / perSecond)) };
  return {
    look: (key, bucket) => answer(levelOf(key, bucket), bucket.perSecond),
    giveBack: (key, bucket) => {
      const tokens = Math.min(bucket.capacity, levelOf(key, bucket) + 1);
      levels.set(key, { tokens, at: now() });
    },
    take: (key, bucket) => {
      const tokens = levelOf(key, bucket);
      const taken = answer(tokens, bucket.perSecond);
      levels.delete(key);
      const [oldest] = levels.keys();
      if (MOST_KEYS <= levels.size && oldest !== undefined) levels.delete(oldest);
      levels.set(key, { tokens: taken.ok ? tokens - 1 : tokens, at: now() });
      return taken;
    },
  };
}
