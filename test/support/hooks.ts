import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test as base } from 'vitest';
import type { RanHook } from '../../agent/hooks/asking.ts';
import type { CommonValues } from '../../agent/hooks/environment.ts';
import type { HookSettings } from '../../agent/hooks/executable-runner.ts';
import { createHooks, type Hooks, type HookTiming } from '../../agent/hooks/hooks.ts';
import type { Runner } from '../../agent/hooks/runners.ts';
import { createLog } from '../../agent/log.ts';
import type { GateName, HookInstance, HookName } from '../../plugins/contract.ts';
import { expect } from './current-test.ts';

export const instance: HookInstance = {
  applicationId: 'shop-app',
  serviceName: 'php',
  clusterId: 'shop-app.web.php.domain',
  memberId: 'shop-app.web.php.domain9c21',
  clusterInstanceId: 'shop-app-1',
  networkPartitionId: 'network-partition-1',
  partitionId: null,
  tenantId: 1,
};

export const noFacts: CommonValues = {
  mbIp: null,
  lbIp: null,
  lbPublicIp: null,
  serviceProperties: {},
  clusterProperties: {},
  memberProperties: {},
};

export const settings = {
  passSecrets: false,
  paramFilePath: null,
  applicationPath: null,
  persistenceMapping: null,
  launchParams: new Map<string, string>(),
  timeoutMs: 20_000,
} as const satisfies Omit<HookSettings, 'extensionsDir'>;

/** What is not as usual; `plugins`: stand-ins for what a host of plugins has to be run. */
export type StageConfig = Partial<HookSettings> & {
  readonly plugins?: readonly { readonly hook: HookName; readonly runner: Runner }[];
  readonly interrupted?: readonly GateName[];
  readonly onRan?: (run: RanHook) => void;
};

/** An extensions folder of its own, scripts in it, and the hooks that run them. */
export type Stage = {
  /** Where scripts work: what they write to `$PWD/..` is not taken for a hook. */
  readonly folder: string;
  readonly temporaryFolder: string;
  readonly extensionsDir: string;
  /** Puts an executable in place: `clean.sh`, `drain/10-wait`. Without a first line of its own it is for sh. */
  script(name: string, body: string, mode?: number): Promise<void>;
  hooks(config?: StageConfig, timing?: Partial<HookTiming>, temporaryFolder?: string): Hooks;
  /** What scripts have written to a file, by lines; none if there is no such file. */
  lines(file: string): string[];
  logged(event: string): Record<string, unknown>[];
  log(): string;
};

/** Tests of hooks get a `stage`, and leave neither files nor processes behind. */
export const test = base.extend<{ stage: Stage }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of the fixtures from the pattern
  stage: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), 'hooks-test-'));
    const extensionsDir = join(folder, 'extensions');
    const temporaryFolder = join(folder, 'tmp');
    await Promise.all([mkdir(extensionsDir), mkdir(temporaryFolder)]);
    const logFile = join(folder, 'log');
    const output = openSync(logFile, 'a');
    const log = createLog({ level: 'debug', pretty: false, colour: false, output });
    const created: Hooks[] = [];
    const readLog = () => readFileSync(logFile, 'utf8');
    await use({
      folder,
      temporaryFolder,
      extensionsDir,
      async script(name, body, mode = 0o755) {
        const path = join(extensionsDir, name);
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, body.startsWith('#!') ? body : `#!/bin/sh\n${body}\n`);
        await chmod(path, mode);
      },
      hooks(
        { plugins = [], interrupted = [], onRan = () => {}, ...config } = {},
        timing = {},
        elsewhere = temporaryFolder,
      ) {
        const quick = { graceMs: 200, retryDelaysMs: [10, 20, 30], holdDelayMs: 20, holdLimitMs: 10_000 };
        const hooks = createHooks({
          config: { ...settings, extensionsDir, ...config },
          instance,
          plugins: { runnersFor: (hook) => plugins.flatMap((it) => (it.hook === hook ? [it.runner] : [])) },
          interrupted,
          onRan,
          log,
          environment: process.env,
          facts: () => noFacts,
          owner: folder,
          temporaryFolder: elsewhere,
          timing: { ...quick, ...timing },
        });
        created.push(hooks);
        return hooks;
      },
      lines(file) {
        const path = join(folder, file);
        return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
      },
      logged: (event) =>
        readLog()
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line))
          .filter((line) => line.event === event),
      log: readLog,
    });
    await Promise.all(created.map((hooks) => hooks.close()));
    expect(readdirSync(temporaryFolder)).toEqual([]);
    await expect.poll(() => processesIn(folder)).toEqual([]);
    closeSync(output);
    await rm(folder, { recursive: true });
  },
});

/** Commands that are run from, or name, this folder: what is left of a test's scripts. */
export function processesIn(folder: string): string[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .map(commandOf)
    .filter((command) => command.includes(folder));
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** A signal that never aborts. */
export function never(): AbortSignal {
  return new AbortController().signal;
}
