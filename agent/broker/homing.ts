import type { Log } from '../log.ts';
import type { Route } from './route.ts';
import { openStream, type Server, type TlsFiles } from './stream.ts';
import type { Timings } from './timings.ts';

/** A return that did not last makes the next one wait twice as long, up to this many rounds of probes. */
const probesLimit = 40;
const lastingMs = 600_000;
const probeTimeoutMs = 3_000;

/**
 * Looks at the servers we would rather use, while another one is in use, and says when one of them has answered often
 * enough in a row. It only connects: whether our login is taken shows when we return.
 *
 * @param options - `onHome`: called with the place of that server in the list
 */
export function createHoming(options: {
  route: Route;
  tls: TlsFiles | null;
  timings: Timings;
  log: Log;
  onHome: (index: number) => void;
}) {
  const { route, tls, timings, log, onHome } = options;
  let needed = timings.probesNeeded;
  let target: number | null = null;
  let homeSinceMs: number | null = null;
  let timer: NodeJS.Timeout | undefined;

  /** Not all agents that fled together come back together. */
  function lookLater(answered: Map<number, number>): void {
    const waitMs = timings.probeEveryMs * (0.5 + Math.random());
    const mine = setTimeout(async () => {
      const home = await look(answered);
      // The link has changed meanwhile.
      if (timer !== mine) return;
      if (home === null) return lookLater(answered);
      stop();
      target = home;
      onHome(home);
    }, waitMs);
    timer = mine;
  }

  /** @returns the first that has answered often enough, or null */
  async function look(answered: Map<number, number>): Promise<number | null> {
    for (let index = 0; index < route.index; index += 1) {
      const server = route.at(index);
      const count = (await accepts(server, tls)) ? (answered.get(index) ?? 0) + 1 : 0;
      answered.set(index, count);
      log.debug({ event: 'broker.probed', ...server, count, needed }, 'looked at a broker we prefer');
      if (count >= needed) return index;
    }
    return null;
  }

  /** We had returned to a server; if we are elsewhere now, it was too early. */
  function judgeReturn(to: number): void {
    const now = performance.now();
    if (route.index <= to) {
      homeSinceMs ??= now;
      return;
    }
    const lasted = homeSinceMs !== null && now - homeSinceMs > lastingMs;
    needed = lasted ? timings.probesNeeded : Math.min(probesLimit, needed * 2);
    target = homeSinceMs = null;
  }

  function stop(): void {
    clearTimeout(timer);
    timer = undefined;
  }

  return {
    /** The link is up. */
    start(): void {
      stop();
      if (target !== null) judgeReturn(target);
      if (route.index > 0) lookLater(new Map());
    },
    stop,
  };
}

/** Whether somebody takes the connection there; with TLS, somebody we trust. */
function accepts(server: Server, tls: TlsFiles | null): Promise<boolean> {
  const stream = openStream(server, tls);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  stream.setTimeout(probeTimeoutMs, () => resolve(false));
  stream.once(tls === null ? 'connect' : 'secureConnect', () => resolve(true));
  stream.on('error', () => resolve(false));
  stream.once('close', () => resolve(false));
  return promise.finally(() => stream.destroy());
}
