import type { Server } from './stream.ts';
import type { Timings } from './timings.ts';

/** Which server is next and how long to pause before it: in order of preference, without a pause inside a round. */
export function createRoute(servers: readonly Server[], timings: Timings) {
  const { backOffMs, backOffLimitMs, stableMs } = timings;
  let attempts = 0;
  let chosen: number | null = null;
  let connectedAtMs: number | null = null;
  const at = (index: number) => servers[index % servers.length] as Server;
  return {
    get server() {
      return at(attempts);
    },
    /** The place of this server in the list; 0 is the one we want. */
    get index() {
      return attempts % servers.length;
    },
    at,
    connected() {
      connectedAtMs = performance.now();
    },
    /** The next attempt is at that server, whatever comes of this connection. */
    choose(index: number) {
      chosen = index;
    },
    /** @returns the pause in ms before the next attempt; never 0, which would end the attempts */
    next(): number {
      const stable = connectedAtMs !== null && performance.now() - connectedAtMs > stableMs;
      connectedAtMs = null;
      const hasChoice = chosen !== null;
      attempts = chosen ?? (stable ? 0 : attempts + 1);
      chosen = null;
      if (attempts % servers.length !== 0 || stable || hasChoice) return 50;
      const round = attempts / servers.length;
      return Math.min(backOffLimitMs, backOffMs * 2 ** Math.min(round - 1, 10)) * (0.5 + Math.random() / 2);
    },
  };
}

export type Route = ReturnType<typeof createRoute>;
