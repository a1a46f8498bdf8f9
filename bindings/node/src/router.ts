// From an event's type to the function that handles it.

/** Handlers by pattern: a type, everything below one (`vault.*`), or everything (`*`). */
export class Routes<Handler> {
  readonly #exact = new Map<string, Handler>();
  readonly #prefixes: { prefix: string; handler: Handler }[] = [];

  get isEmpty(): boolean {
    return this.#exact.size === 0 && this.#prefixes.length === 0;
  }

  add(pattern: string, handler: Handler): void {
    const star = pattern.indexOf("*");
    const isPattern = pattern !== "" && (star < 0 || (star === pattern.length - 1 && /(^|\.)\*$/.test(pattern)));
    if (!isPattern) throw new TypeError(`\`${pattern}\` is no pattern: write a type, \`vault.*\` or \`*\``);
    if (star < 0) {
      if (this.#exact.has(pattern)) throw new TypeError(`\`${pattern}\` has a handler already`);
      this.#exact.set(pattern, handler);
      return;
    }
    const prefix = pattern.slice(0, -1);
    if (this.#prefixes.some((route) => route.prefix === prefix)) {
      throw new TypeError(`\`${pattern}\` has a handler already`);
    }
    this.#prefixes.push({ prefix, handler });
    // The most specific first.
    this.#prefixes.sort((left, right) => right.prefix.length - left.prefix.length);
  }

  find(type: string | undefined): Handler | undefined {
    const exact = type === undefined ? undefined : this.#exact.get(type);
    return exact ?? this.#prefixes.find(({ prefix }) => (type ?? "").startsWith(prefix))?.handler;
  }
}
