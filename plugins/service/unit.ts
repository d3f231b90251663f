import { execFile } from 'node:child_process';
import type { ServiceOptions } from './options.ts';
import { wordsOf } from './options.ts';
import type { Service } from './service.ts';

const questionMs = 5_000;

/** A unit of systemd, which starts it again by its own rules (`Restart=`); we do when it has given up. */
export function unitService(unit: string, { reload }: Pick<ServiceOptions, 'reload'>): Service {
  let state = 'unknown';

  const service: Service = {
    name: unit,
    lookEveryMs: 2_000,
    async isRunning() {
      // With exit code 3 and the word on stdout when it is not; `activating` and the like are up to systemd.
      state = (await systemctl('is-active', [])).stdout.trim();
      if (state === '') throw new Error('cannot ask systemd for the unit');
      return !['failed', 'inactive', 'unknown'].includes(state);
    },
    wasStarted: () => service.isRunning(),
    start: (signal) => must('start', [], signal),
    async reload({ exec, signal }) {
      if (reload === 'none') return;
      if (reload === undefined) return await must('reload-or-restart', [], signal);
      if (reload === 'restart') return await must('restart', [], signal);
      if (reload.startsWith('SIG')) return await must('kill', [`--signal=${reload}`, '--kill-who=main'], signal);
      const [program = '', ...args] = wordsOf(reload) ?? [];
      const { exitCode, stderr } = await exec(program, args);
      if (exitCode !== 0) throw new Error(`cannot reload: ${reload}: ${stderr.trim() || `exit code ${exitCode}`}`);
    },
    stop: (signal) => must('stop', [], signal),
    kill: async () => void (await systemctl('kill', ['--signal=SIGKILL'])),
    whyEnded: () => `the state ${state}`,
  };
  return service;

  async function must(verb: string, args: readonly string[], signal: AbortSignal): Promise<void> {
    const { wrong, stderr } = await systemctl(verb, args, signal);
    signal.throwIfAborted();
    if (wrong !== null) throw new Error(`cannot ${verb} ${unit}: ${stderr.trim() || wrong}`);
  }

  /** Not by `exec`, which is there while a hook runs: we look after the unit between hooks, too. Never rejects. */
  function systemctl(verb: string, args: readonly string[], signal?: AbortSignal) {
    const { promise, resolve } = Promise.withResolvers<{ wrong: string | null; stdout: string; stderr: string }>();
    // Who waits has a signal; a mere question is answered at once, or not at all.
    const limit = signal === undefined ? { timeout: questionMs } : { signal };
    execFile('systemctl', [verb, ...args, unit], limit, (error, stdout, stderr) =>
      resolve({ wrong: error?.message ?? null, stdout, stderr }),
    );
    return promise;
  }
}
