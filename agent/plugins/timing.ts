/** Limits of plugins that nobody configures. */
export type HostTiming = {
  /** From starting a worker to what it says of itself. */
  readonly startMs: number;
  /** From telling a call to end to giving it up. */
  readonly graceMs: number;
  /** From telling a notice or `health` to end to ending its worker, if that does not listen. */
  readonly silentMs: number;
  /** From ending a worker to saying that it cannot be ended. */
  readonly unendableMs: number;
  /** From asking a program to end to killing it. */
  readonly programGraceMs: number;
  /** Both when the agent itself stops: it must be gone in a second. */
  readonly closeGraceMs: number;
  /** For `health` of one plugin. */
  readonly healthMs: number;
  /** Before each start after a crash; after as many crashes and one more it stays off. */
  readonly restartDelaysMs: readonly number[];
  /** A worker that has run this long without a crash has none behind it. */
  readonly steadyMs: number;
  /** What one worker may have in its heap, garbage included; a complete topology of 10,000 members takes some 60. */
  readonly heapLimitMb: number;
  /** Where V8 itself ends it: far above, for it ends the agent when one allocation goes too far beyond that. */
  readonly heapCeilingMb: number;
  readonly youngLimitMb: number;
  /** Outside of the heap. */
  readonly bufferLimitMb: number;
};

export const defaultTiming: HostTiming = {
  startMs: 10_000,
  graceMs: 1_000,
  silentMs: 10_000,
  unendableMs: 10_000,
  programGraceMs: 10_000,
  closeGraceMs: 400,
  healthMs: 5_000,
  restartDelaysMs: [1_000, 5_000, 30_000],
  steadyMs: 600_000,
  heapLimitMb: 256,
  heapCeilingMb: 2_048,
  youngLimitMb: 16,
  bufferLimitMb: 256,
};
