import { setTimeout } from 'node:timers/promises';
import type { HealthContext } from 'cartridge-agent/plugin';
import type { ServiceOptions } from './options.ts';
import type { Service } from './service.ts';

/** Starts a service again when it dies, until it is released. */
export interface Supervisor {
  /** Does nothing while it watches already, or somebody changes the service. */
  watch(service: Service, context: Surroundings): void;
  /** Nothing is started again while this goes on, and afterwards not until it is watched again. */
  change(work: () => Promise<void>): Promise<void>;
  release(): Promise<void>;
  /** How often it was started again. */
  restarts(): number;
}

/** What of a context is good for longer than its call. */
type Surroundings = Pick<HealthContext<ServiceOptions>, 'options' | 'log' | 'report'>;
type Watch = { readonly stop: AbortController; readonly ended: Promise<void> };

const longestDelayMs = 30_000;

export function createSupervisor(): Supervisor {
  let watching: Watch | null = null;
  let changes = 0;
  let restarts = 0;

  return {
    watch(service, context) {
      if (watching !== null || changes > 0) return;
      const stop = new AbortController();
      const onRestart = () => {
        restarts += 1;
      };
      watching = { stop, ended: keepUp(service, context, onRestart, stop.signal) };
    },
    async change(work) {
      changes += 1;
      try {
        await release();
        await work();
      } finally {
        changes -= 1;
      }
    },
    release,
    restarts: () => restarts,
  };

  async function release(): Promise<void> {
    watching?.stop.abort();
    await watching?.ended;
    watching = null;
  }
}

/** Resolves when the signal aborts. Its timers let the worker end. */
async function keepUp(
  service: Service,
  { options: { restartMs, steadyMs }, log, report }: Surroundings,
  onRestart: () => void,
  signal: AbortSignal,
): Promise<void> {
  let [deaths, startedAtMs] = [0, 0];
  while (await pause(service.lookEveryMs, signal)) {
    const isRunning = await service.isRunning().catch(() => true); // who cannot look does not know better
    if (isRunning && deaths > 0 && performance.now() - startedAtMs >= steadyMs) {
      deaths = 0;
      report(null);
    }
    if (isRunning) continue;
    const delayMs = Math.min(restartMs * 2 ** deaths, longestDelayMs);
    deaths += 1;
    report(`${service.name} died ${deaths === 1 ? 'once' : `${deaths} times`}, with ${service.whyEnded()}`);
    if (!(await pause(delayMs, signal))) break;
    onRestart();
    await service.start(signal).then(
      () => log.info({ service: service.name, deaths }, 'service started again'),
      (err: unknown) => signal.aborted || log.warn({ service: service.name, err }, 'service did not start again'),
    );
    startedAtMs = performance.now();
  }
  report(null); // nobody wants it to run now, or somebody else sees to it
}

/** False when it was aborted. */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  return await setTimeout(ms, true, { signal, ref: false }).catch(() => false);
}
