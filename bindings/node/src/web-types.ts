import type { HeadersObject } from "./headers.js";

/** The web's `Request`, as far as it is used here. */
export interface WebRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: HeadersObject;
  readonly bodyUsed: boolean;
  readonly body: { getReader(): WebReader } | null;
}

export interface WebReader {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
  cancel(reason?: unknown): Promise<unknown>;
}
