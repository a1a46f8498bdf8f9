// Where events wait between their arrival and their handling.

/** An event that waits. */
export interface Job {
  /** The event's id: a second one of the same id is not stored. */
  readonly id: string;
  readonly type: string;
  readonly body: Uint8Array;
  /** How often it was tried. */
  readonly attempts: number;
}

/** A job that will not be tried again by itself. */
export interface DeadLetter extends Job {
  /** What went wrong last. */
  readonly error: string;
}

/** A store of jobs. Times are Unix milliseconds. */
export interface QueueStore {
  /** Stores a job, unless one of its id is there. When this returns, the job survives what the store survives. */
  put(job: Job, dueAt: number): Promise<void>;
  /** Takes the job that has been due for longest, and keeps it from others until `leaseUntil`. */
  take(now: number, leaseUntil: number): Promise<Job | undefined>;
  /** Forgets a job that was handled. */
  done(id: string): Promise<void>;
  /** Puts a job back after a failure. */
  retry(id: string, attempts: number, dueAt: number, error: string): Promise<void>;
  /** Gives a job up. */
  bury(id: string, attempts: number, error: string): Promise<void>;
  /** When the next job is due. */
  nextDueAt(): Promise<number | undefined>;
  deadLetters(limit: number): Promise<DeadLetter[]>;
  /** Gives a dead letter another life. Answers whether there was one. */
  revive(id: string, dueAt: number): Promise<boolean>;
}
