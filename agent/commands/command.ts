/** What a command is given: its words, and the world as far as a command line program has one. */
export type CommandIo = {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  readonly env: Readonly<NodeJS.ProcessEnv>;
  /** Aborted by SIGTERM, SIGINT or SIGHUP; a second one ends the process at once. */
  readonly signal: AbortSignal;
};

/** @returns the exit code */
export type Command = (args: readonly string[], io: CommandIo) => Promise<number>;

/** @see design.md, "Configuration and command line" */
export const exitCodes = {
  done: 0,
  gaveUp: 1,
  usage: 2,
  timedOut: 4,
  unreachable: 69,
  tryLater: 75,
  configuration: 78,
} as const;
