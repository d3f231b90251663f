const inspect = Symbol.for('nodejs.util.inspect.custom');

/** A password, token or key. Prints `[redacted]` wherever it ends up; only `reveal()` opens it. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The clear text, for the one who hands it to the broker, to git or to a script. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[redacted]';
  }

  toJSON(): string {
    return '[redacted]';
  }

  [inspect](): string {
    return '[redacted]';
  }
}
