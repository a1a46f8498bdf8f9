/** What would have made a refused request match. For the developer who holds the secret; never for a response. */
export interface Explanation {
  /** What the verifier says: `undefined` when the request is valid. */
  readonly failure: { readonly code: string; readonly message: string } | undefined;
  /** What would match, the simplest first. */
  readonly findings: readonly {
    /** In what ways what was given differs from what was signed, such as `body_reserialized_compact`. */
    readonly causes: readonly string[];
    readonly secretIndex: number;
    /** What it means and what to do. */
    readonly message: string;
  }[];
  /** What the request looks like: sizes and shapes, no contents. */
  readonly facts: {
    readonly bodyBytes: number;
    readonly bodySha256Prefix: string;
    readonly notes: readonly string[];
    readonly otherContentLength: number | undefined;
    readonly headersSeen: readonly string[];
    readonly headersExpected: readonly string[];
  };
  readonly attempts: number;
  /** Whether there was more to try than is tried. */
  readonly isExhausted: boolean;
}

/** Reads what native code writes: the same names, in snake case. */
export function parseExplanation(json: string): Explanation {
  return JSON.parse(json, (_, value: unknown) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value ?? undefined;
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [
        name.replace(/_([a-z0-9])/g, (__, letter: string) => letter.toUpperCase()),
        member,
      ]),
    );
  }) as Explanation;
}
