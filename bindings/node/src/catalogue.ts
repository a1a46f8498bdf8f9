/** What a platform documents about its events. */
export interface Catalogue {
  /** What several schemas share, referred to as `#/$defs/name`. */
  readonly $defs: Readonly<Record<string, object>>;
  readonly events: Readonly<Record<string, { readonly sample?: unknown; readonly schema?: object }>>;
}
