import { join, resolve } from 'node:path';

export const defaultConfFile = '/etc/cartridge-agent/agent.conf';

/** The configuration that `--conf FILE` and `--home DIR` name. */
export type ConfPlaces = {
  readonly confFile: string;
  /** Absolute: a folder as the original agents have it; null: none. */
  readonly home: string | null;
};

/** With both, the folders are those of the home, and the configuration is FILE. */
export function confPlaces({ conf, home }: { conf?: string | undefined; home?: string | undefined }): ConfPlaces {
  if (home === undefined) return { confFile: conf ?? defaultConfFile, home: null };
  return { confFile: conf ?? join(resolve(home), 'agent.conf'), home: resolve(home) };
}
