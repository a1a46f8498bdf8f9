// Store, answer, work: the sender hears 200 when the event is safe, and not when the work is done.

import { WebhookConfigurationError } from "../errors.js";
import { utf8 } from "../interpreter/bytes.js";
import type { VerifiedWebhook } from "../verified.js";
import type { DeadLetter, Job, QueueStore } from "./store.js";

/** What a worker gets: an event that was verified when it came. */
export class QueuedWebhook {
  readonly id: string;
  readonly type: string;
  readonly body: Uint8Array;
  /** Which attempt this is, from 1. */
  readonly attempt: number;

  /** @internal */
  constructor({ id, type, body, attempts }: Job) {
    this.id = id;
    this.type = type;
    this.body = body;
    this.attempt = attempts + 1;
  }

  /** The whole body, parsed. */
  json<T = unknown>(): T {
    return JSON.parse(new TextDecoder().decode(this.body)) as T;
  }
}

export interface WebhookQueueOptions {
  readonly store: QueueStore;
  /** Does the work. When it throws, the event is tried again later. */
  readonly work: (event: QueuedWebhook) => unknown;
  /** The waits between attempts in seconds; after the last one an event is a dead letter. Absent: 5 s to 6 h. */
  readonly delaysSeconds?: readonly number[] | undefined;
  /** How many events are worked on at the same time. Absent: 4. */
  readonly concurrency?: number | undefined;
  /** How long one attempt may take before another process takes the event for abandoned. Absent: five minutes. */
  readonly leaseSeconds?: number | undefined;
  /** Told when an event is given up. */
  readonly onDeadLetter?: ((event: QueuedWebhook, error: Error) => void) | undefined;
  /** Told about failures of the store. */
  readonly onError?: ((error: Error) => void) | undefined;
  /** Unix milliseconds. Tests bring their own. */
  readonly clock?: (() => number) | undefined;
}

const DELAYS_SECONDS = [5, 30, 300, 1800, 7200, 21_600];

/** Longest text of an error that is stored. */
const MAX_ERROR_CHARACTERS = 500;

/** Longest wait of a timer: other processes add jobs too, and nobody says so. */
const MAX_WAIT_MS = 5_000;

export class WebhookQueue {
  readonly #store: QueueStore;
  readonly #options: WebhookQueueOptions;
  readonly #clock: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isRunning = false;
  #pass: Promise<void> | undefined;
  /** Whether something came while a pass was under way that may have looked already. */
  #hasMore = false;

  constructor(options: WebhookQueueOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#clock = options.clock ?? Date.now;
    // Handed over as a handler: `.otherwise(queue.enqueue)`.
    this.enqueue = this.enqueue.bind(this);
  }

  /** Stores an event. Fails when the store fails; the sender then hears 500 and tries again. */
  async enqueue(event: Pick<VerifiedWebhook, "id" | "type" | "body">): Promise<void> {
    if (event.id === undefined) {
      throw new WebhookConfigurationError(
        "invalid_option",
        "the event has no id; use a profile, or a scheme that signs one",
      );
    }
    const body = typeof event.body === "string" ? utf8(event.body) : event.body;
    await this.#store.put({ id: event.id, type: event.type ?? "", body, attempts: 0 }, this.#clock());
    if (this.#isRunning) this.#wake(0);
  }

  /** Works on events as they come, until `stop`; the process stays alive as long. */
  start(): this {
    this.#isRunning = true;
    this.#wake(0);
    return this;
  }

  /** Takes no more events, and waits for those that are being worked on. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    clearTimeout(this.#timer);
    await this.#pass;
  }

  /** Works on everything that is due now. `start` does this whenever something is. */
  async drain(): Promise<void> {
    const { concurrency = 4 } = this.#options;
    await Promise.all(Array.from({ length: concurrency }, () => this.#worker()));
  }

  /** Events that were given up, the oldest first. */
  deadLetters(limit = 100): Promise<DeadLetter[]> {
    return this.#store.deadLetters(limit);
  }

  /** Tries a dead letter again, from its first attempt. Answers whether there was one of that id. */
  async retryDeadLetter(id: string): Promise<boolean> {
    const isRevived = await this.#store.revive(id, this.#clock());
    if (isRevived && this.#isRunning) this.#wake(0);
    return isRevived;
  }

  async #worker(): Promise<void> {
    const { leaseSeconds = 300 } = this.#options;
    for (;;) {
      const now = this.#clock();
      const job = await this.#store.take(now, now + leaseSeconds * 1000);
      if (job === undefined) return;
      await this.#attempt(job);
    }
  }

  async #attempt(job: Job): Promise<void> {
    const { work, delaysSeconds = DELAYS_SECONDS, onDeadLetter } = this.#options;
    const event = new QueuedWebhook(job);
    try {
      await work(event);
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      const text = error.message.slice(0, MAX_ERROR_CHARACTERS);
      const delay = delaysSeconds[job.attempts];
      if (delay !== undefined) {
        await this.#store.retry(job.id, job.attempts + 1, this.#clock() + delay * 1000, text);
      } else {
        await this.#store.bury(job.id, job.attempts + 1, text);
        onDeadLetter?.(event, error);
      }
      return;
    }
    await this.#store.done(job.id);
  }

  #wake(inMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#hasMore = this.#pass !== undefined;
      this.#pass ??= this.#run().finally(() => {
        this.#pass = undefined;
      });
    }, inMs);
  }

  async #run(): Promise<void> {
    let wait = MAX_WAIT_MS;
    try {
      await this.drain();
      const next = await this.#store.nextDueAt();
      if (next !== undefined) wait = Math.min(Math.max(next - this.#clock(), 0), MAX_WAIT_MS);
    } catch (error) {
      this.#options.onError?.(error as Error);
    }
    if (this.#isRunning) this.#wake(this.#hasMore ? 0 : wait);
    this.#hasMore = false;
  }
}
