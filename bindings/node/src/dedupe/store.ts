// Remembering which events were handled, so that a retry or a replay is not handled twice.

/**
 * What became of an attempt to claim a key: `new`, it is yours; `in_flight`, somebody else works on it; `done`, it was
 * handled.
 */
export type Claim = { readonly state: "new"; readonly token: string } | { readonly state: "in_flight" | "done" };

/** A store of claims. `claim` is atomic: of several callers at the same time, exactly one gets `new`. */
export interface DedupeStore {
  /** Claims a key for `leaseSeconds`. A lease that runs out, because its holder crashed, can be claimed again. */
  claim(key: string, leaseSeconds: number): Promise<Claim>;
  /** Marks a claimed key as done, for `ttlSeconds`. Does nothing when the claim has passed to somebody else. */
  complete(key: string, token: string, ttlSeconds: number): Promise<void>;
  /** Gives a claim back, so that the next attempt can have it. */
  release(key: string, token: string): Promise<void>;
}

/** Time in milliseconds. Tests bring their own. */
export type Clock = () => number;
