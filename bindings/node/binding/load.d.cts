declare const loaded: { readonly native: unknown; readonly error: unknown };
export = loaded;
