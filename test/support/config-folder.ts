import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test as plain } from 'vitest';
import { loadConfig } from '../../agent/config.ts';
import { ConfigError, formatProblems } from '../../state/config/problems.ts';

const identity = 'APPLICATION_ID=a,SERVICE_NAME=s,CLUSTER_ID=c,MEMBER_ID=m';
/** Launch-params that nobody warns of. */
export const quiet = `${identity},CLUSTER_INSTANCE_ID=i,NETWORK_PARTITION_ID=n,PARTITION_ID=p,TENANT_ID=1`;
/** An agent.conf that is enough. */
export const minimal = '[agent]\nmb.urls = localhost:1883\n';

/** A folder like /etc/cartridge-agent: what is not given is minimal; null leaves the file out. */
export interface Folder {
  readonly path: string;
  readonly load: (files?: {
    conf?: string | null;
    params?: string | null;
    others?: Record<string, string>;
  }) => ReturnType<typeof loadConfig>;
}

export const test = plain.extend<{ folder: Folder }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest wants the pattern to see what a fixture needs
  folder: async ({}, use) => {
    const path = mkdtempSync(join(tmpdir(), 'config-'));
    await use({
      path,
      load: ({ conf = minimal, params = quiet, others = {} } = {}) => {
        const files = { 'agent.conf': conf, 'payload/launch-params': params, ...others };
        for (const [name, text] of Object.entries(files)) {
          if (text === null) continue;
          mkdirSync(dirname(join(path, name)), { recursive: true });
          writeFileSync(join(path, name), text);
        }
        return loadConfig({ confFile: join(path, 'agent.conf') });
      },
    });
    rmSync(path, { recursive: true });
  },
});

/** What `load` threw. */
export function errorOf(load: () => unknown): ConfigError {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

/** The report, with the files named from the folder. */
export function reportOf(load: () => unknown, { path }: Folder): string {
  return formatProblems(errorOf(load)).replaceAll(`${path}/`, '');
}
