// Handshakes: what a platform asks an endpoint before it sends.

/** What the owner of an endpoint has to say to a platform that asks. */
export interface HandshakeSettings {
  /** The handshake's name. Absent: that of the scheme. */
  readonly name?: string | undefined;
  /** The text that the platform must know: Meta's "verify token". */
  readonly verifyToken?: string | undefined;
  /** Who may send, for handshakes with an origin: DNS names, or `*` for everyone. */
  readonly allowedOrigins?: readonly string[] | undefined;
}

/** What to answer. */
export interface HandshakeReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Why it is a refusal, if it is one: for the log, not for the peer. */
  readonly refusal: string | undefined;
}
