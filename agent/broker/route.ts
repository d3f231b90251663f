import type { Server } from './stream.ts';

const backOffLimitMs = 30_000;
/** A connection that lived this long was a good one: the next loss begins with the first server, without a pause. */
const stableMs = 5_000;

/** Which server is next and how long to pause before it: in order of preference, without a pause inside a round. */
export function createRoute(servers: readonly Server[]) {
  let attempts = 0;
  let connectedAtMs: number | null = null;
  const at = (index: number) => servers[index % servers.length] as Server;
  return {
    get server() {
      return at(attempts);
    },
    connected() {
      connectedAtMs = performance.now();
    },
    /** @returns the pause in ms before the next attempt; never 0, which would end the attempts */
    next(): number {
      const stable = connectedAtMs !== null && performance.now() - connectedAtMs > stableMs;
      connectedAtMs = null;
      attempts = stable ? 0 : attempts + 1;
      if (attempts % servers.length !== 0 || stable) return 50;
      const round = attempts / servers.length;
      return Math.min(backOffLimitMs, 500 * 2 ** Math.min(round - 1, 10)) * (0.5 + Math.random() / 2);
    },
  };
}
