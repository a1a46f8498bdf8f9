// Claims in Redis, for any number of processes. Its own clock decides what has expired.

import { randomId } from "../shared.js";
import type { Claim, DedupeStore } from "./store.js";

/** A client of the package `redis`, or of `ioredis`. */
export type RedisClient =
  { sendCommand(command: string[]): Promise<unknown> } | { call(command: string, ...args: string[]): Promise<unknown> };

export interface RedisDedupeOptions {
  /** What the keys start with. Absent: `hookwright:`. */
  readonly prefix?: string | undefined;
}

const DONE = "done";

// Whether the claim is still ours, and what is done about it, is one step for Redis and for nobody else to interrupt.
const COMPLETE = `if redis.call("GET", KEYS[1]) == ARGV[1] then redis.call("SET", KEYS[1], "${DONE}", "PX", ARGV[2]) end`;
const RELEASE = `if redis.call("GET", KEYS[1]) == ARGV[1] then redis.call("DEL", KEYS[1]) end`;

export class RedisDedupeStore implements DedupeStore {
  readonly #client: RedisClient;
  readonly #prefix: string;

  constructor(client: RedisClient, { prefix = "hookwright:" }: RedisDedupeOptions = {}) {
    this.#client = client;
    this.#prefix = prefix;
  }

  async claim(key: string, leaseSeconds: number): Promise<Claim> {
    const token = `claim:${randomId()}`;
    const name = this.#prefix + key;
    for (;;) {
      const set = await this.#send("SET", name, token, "NX", "PX", String(leaseSeconds * 1000));
      if (set !== null) return { state: "new", token };
      const held = await this.#send("GET", name);
      if (held !== null) return { state: String(held) === DONE ? "done" : "in_flight" };
      // It expired between the two questions, so it is free.
    }
  }

  async complete(key: string, token: string, ttlSeconds: number): Promise<void> {
    await this.#send("EVAL", COMPLETE, "1", this.#prefix + key, token, String(ttlSeconds * 1000));
  }

  async release(key: string, token: string): Promise<void> {
    await this.#send("EVAL", RELEASE, "1", this.#prefix + key, token);
  }

  #send(command: string, ...args: string[]): Promise<unknown> {
    // ioredis has a `sendCommand` too, which takes something else.
    return "call" in this.#client ? this.#client.call(command, ...args) : this.#client.sendCommand([command, ...args]);
  }
}
