import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { type ServiceOptions, wordsOf } from './options.ts';
import {
  endGroup,
  isAlive,
  killGroup,
  type ProcessIdentity,
  parseIdentity,
  signalTo,
  signalToGroup,
} from './processes.ts';
import { recordPath } from './record.ts';
import type { Service } from './service.ts';

/**
 * The process notes itself who it is, and becomes the service on our word: should we be killed before, there is none to
 * give it. So there never is a service that nobody knows of.
 */
const noteAndRun =
  '{ cat /proc/sys/kernel/random/boot_id "/proc/$$/stat"; } >"$0.new" && mv "$0.new" "$0" && read -r _ && exec "$@" </dev/null';
const lookEveryMs = 5;

/** One process, in a session of its own: it lives on when the agent, or the worker of this plugin, ends. */
export function commandService(options: ServiceOptions, memberId: string): Service {
  const { command = [], cwd, output, reload = 'restart', graceMs, settleMs } = options;
  const record = recordPath(options.runDir, memberId);
  const stopSignal = options.stopSignal as NodeJS.Signals;
  let end = 'a reason not known: an earlier run of the agent had started it';

  const service: Service = {
    name: command[0] ?? '',
    lookEveryMs: 250,
    isRunning: async () => isAlive(recorded()),
    wasStarted: async () => recorded() !== null,
    start,
    async reload({ exec, signal }) {
      if (reload === 'none') return;
      if (reload === 'restart') {
        await service.stop(signal);
        return await start(signal);
      }
      if (reload.startsWith('SIG')) return signalTo(recorded(), reload as NodeJS.Signals);
      const [program = '', ...args] = wordsOf(reload) ?? [];
      const { exitCode, stderr } = await exec(program, args, cwd === undefined ? {} : { cwd });
      if (exitCode !== 0) throw new Error(`cannot reload: ${reload}: ${stderr.trim() || `exit code ${exitCode}`}`);
    },
    async stop(signal) {
      await endGroup(recorded(), { stopSignal, graceMs, signal });
      await rm(record, { force: true });
    },
    kill: async () => killGroup(recorded()),
    whyEnded: () => end,
  };
  return service;

  async function start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (isAlive(recorded())) return;
    killGroup(recorded()); // what a dead one has left may have its port
    const { child, ended } = run();
    const over = new AbortController();
    const early = await Promise.race([ended, settle(child, AbortSignal.any([signal, over.signal]))])
      .catch((overtaken: unknown) => {
        signalToGroup(child.pid, 'SIGKILL'); // it may not have noted yet who it is
        signal.throwIfAborted();
        throw overtaken;
      })
      .finally(() => over.abort());
    if (early === null) return;
    await rm(record, { force: true });
    const look = output === undefined ? 'set output to see what it says' : `see ${output}`;
    throw new Error(`cannot start ${service.name}: it ended at once with ${early}; ${look}`);
  }

  /** `ended` resolves with how it ended. */
  function run(): { child: ChildProcess; ended: Promise<string> } {
    const { promise: ended, resolve } = Promise.withResolvers<string>();
    const sink = output === undefined ? 'ignore' : openSync(output, 'a', 0o640);
    const args = ['-c', noteAndRun, record, ...command];
    const child = spawn('/bin/sh', args, { cwd, detached: true, stdio: ['pipe', sink, sink] });
    if (sink !== 'ignore') closeSync(sink);
    child.once('error', ({ message }) => resolve(message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    child.unref();
    const isKnown = ended.then((words) => {
      end = words;
      return words;
    });
    return { child, ended: isKnown };
  }

  /** Null when it has run for a while. @throws when the signal aborts */
  async function settle({ pid, stdin }: ChildProcess, signal: AbortSignal): Promise<null> {
    const isNoted = () => pid !== undefined && recorded()?.pid === pid && isAlive(recorded());
    while (!isNoted()) await setTimeout(lookEveryMs, undefined, { signal });
    stdin?.on('error', () => {}); // it has ended: that is told by `ended`
    stdin?.end('run\n');
    return await setTimeout(settleMs, null, { signal });
  }

  function recorded(): ProcessIdentity | null {
    try {
      return parseIdentity(readFileSync(record, 'latin1'));
    } catch {
      return null; // never started, or stopped
    }
  }
}
