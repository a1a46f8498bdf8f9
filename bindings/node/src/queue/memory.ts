// Jobs in this process: for tests. They are gone when it ends, and the senders were told that they are safe.

import type { DeadLetter, Job, QueueStore } from "./store.js";

interface Waiting {
  job: Job;
  dueAt: number;
  error: string;
  isDead: boolean;
}

export class MemoryQueueStore implements QueueStore {
  readonly #jobs = new Map<string, Waiting>();

  async put(job: Job, dueAt: number): Promise<void> {
    if (!this.#jobs.has(job.id)) this.#jobs.set(job.id, { job, dueAt, error: "", isDead: false });
  }

  async take(now: number, leaseUntil: number): Promise<Job | undefined> {
    const due = this.#alive().filter(({ dueAt }) => dueAt <= now);
    const first = due.sort((left, right) => left.dueAt - right.dueAt)[0];
    if (first !== undefined) first.dueAt = leaseUntil;
    return first?.job;
  }

  async done(id: string): Promise<void> {
    this.#jobs.delete(id);
  }

  async retry(id: string, attempts: number, dueAt: number, error: string): Promise<void> {
    this.#change(id, (waiting) => ({ ...waiting, job: { ...waiting.job, attempts }, dueAt, error }));
  }

  async bury(id: string, attempts: number, error: string): Promise<void> {
    this.#change(id, (waiting) => ({ ...waiting, job: { ...waiting.job, attempts }, error, isDead: true }));
  }

  async nextDueAt(): Promise<number | undefined> {
    const times = this.#alive().map(({ dueAt }) => dueAt);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  async deadLetters(limit: number): Promise<DeadLetter[]> {
    const dead = [...this.#jobs.values()].filter(({ isDead }) => isDead);
    return dead.slice(0, limit).map(({ job, error }) => ({ ...job, error }));
  }

  async revive(id: string, dueAt: number): Promise<boolean> {
    if (this.#jobs.get(id)?.isDead !== true) return false;
    this.#change(id, (waiting) => ({ ...waiting, job: { ...waiting.job, attempts: 0 }, dueAt, isDead: false }));
    return true;
  }

  #alive(): Waiting[] {
    return [...this.#jobs.values()].filter(({ isDead }) => !isDead);
  }

  #change(id: string, change: (waiting: Waiting) => Waiting): void {
    const waiting = this.#jobs.get(id);
    if (waiting !== undefined) this.#jobs.set(id, change(waiting));
  }
}
