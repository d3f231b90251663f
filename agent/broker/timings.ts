/** How patient the connection is. In ms, if the name does not say otherwise. */
export type Timings = {
  readonly connectTimeoutMs: number;
  /** A broker that is silent for one and a half of these is given up. */
  readonly keepaliveSeconds: number;
  /** From the attempt to connect to the confirmed subscriptions, what was on its way sent again. */
  readonly upWithinMs: number;
  /** The pause after the first round of servers that failed; doubled after each further one. */
  readonly backOffMs: number;
  readonly backOffLimitMs: number;
  /** A connection that lived this long was a good one: the next loss begins with the first server, without a pause. */
  readonly stableMs: number;
  /** How often servers that we would rather use are looked at. */
  readonly probeEveryMs: number;
  /** How often in a row such a server must answer before we return to it. */
  readonly probesNeeded: number;
  /** How often a broker that cannot be reached is told of again. */
  readonly remindEveryMs: number;
};

/** A half-open link must be noticed, and statistics be back, before the platform's 60 s are over: hence the keep-alive. */
export const defaultTimings: Timings = {
  connectTimeoutMs: 5_000,
  keepaliveSeconds: 20,
  upWithinMs: 20_000,
  backOffMs: 500,
  backOffLimitMs: 30_000,
  stableMs: 5_000,
  probeEveryMs: 30_000,
  probesNeeded: 3,
  remindEveryMs: 600_000,
};
