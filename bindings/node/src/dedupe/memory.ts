// Claims in this process: for one process, and for tests. They are gone when it ends.

import { randomId } from "../shared.js";
import type { Claim, Clock, DedupeStore } from "./store.js";

export interface MemoryDedupeOptions {
  /** Most keys that are remembered; the oldest go first. Absent: 100,000. */
  readonly maxKeys?: number | undefined;
  readonly clock?: Clock | undefined;
}

interface Entry {
  /** Empty when the event was handled. */
  token: string;
  expiresAt: number;
}

export class MemoryDedupeStore implements DedupeStore {
  // A map remembers the order of insertion, so the first is the oldest.
  readonly #entries = new Map<string, Entry>();
  readonly #maxKeys: number;
  readonly #clock: Clock;

  constructor({ maxKeys = 100_000, clock = Date.now }: MemoryDedupeOptions = {}) {
    this.#maxKeys = maxKeys;
    this.#clock = clock;
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#entries.size;
  }

  // Nothing here waits, so nothing comes between looking and claiming.
  async claim(key: string, leaseSeconds: number): Promise<Claim> {
    const now = this.#clock();
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.expiresAt > now) return { state: entry.token === "" ? "done" : "in_flight" };
    const token = randomId();
    this.#put(key, { token, expiresAt: now + leaseSeconds * 1000 });
    return { state: "new", token };
  }

  async complete(key: string, token: string, ttlSeconds: number): Promise<void> {
    if (this.#entries.get(key)?.token !== token) return;
    this.#put(key, { token: "", expiresAt: this.#clock() + ttlSeconds * 1000 });
  }

  async release(key: string, token: string): Promise<void> {
    if (this.#entries.get(key)?.token === token) this.#entries.delete(key);
  }

  #put(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    const now = this.#clock();
    for (const [oldest, { expiresAt }] of this.#entries) {
      if (expiresAt > now && this.#entries.size <= this.#maxKeys) break;
      this.#entries.delete(oldest);
    }
  }
}
