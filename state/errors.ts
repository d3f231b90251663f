/**
 * A failure an operator can act on: what could not be done (message), why (`cause`), which things are involved (`facts`)
 * and what to do about it (`remedy`). Anything else that is thrown is a defect.
 *
 * Each part of the house declares its own failures as subclasses; tell them apart by class or `code`, never by message.
 */
export abstract class AgentError extends Error {
  /** Stable, for machines and search engines: `ARTIFACT_CLONE_FAILED`. */
  abstract readonly code: string;
  /** One sentence for the person who reads it. */
  abstract readonly remedy: string;
  /** Trying again mends nothing: a person has to act first. */
  readonly lasting: boolean = false;
  /** The values the message speaks of; no secrets, plain JSON. */
  readonly facts: Readonly<Record<string, unknown>>;

  /**
   * @param message - lower case, `cannot <verb> <thing>`, no full stop
   * @param options - `cause`: the foreign error; `facts`: see above
   */
  constructor(message: string, options: { cause?: unknown; facts?: Readonly<Record<string, unknown>> } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : {});
    this.facts = options.facts ?? {};
  }
}

/** The text of anything that was thrown, for messages that quote a cause. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
