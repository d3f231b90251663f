import { existsSync } from 'node:fs';
import { readStateDir } from '../config.ts';
import { confPlaces, defaultConfFile } from './places.ts';

const defaultStateDir = '/var/lib/cartridge-agent';

/**
 * Where the agent of this machine keeps its state, as the options `--state-dir`, `--conf` and `--home` say.
 *
 * @throws ConfigError - the file is not there, or says nothing that could be used
 */
export function stateDirOf(options: { stateDir: string | null; confFile: string | null; home: string | null }): string {
  const { stateDir, confFile, home } = options;
  if (stateDir !== null) return stateDir;
  if (confFile === null && home === null && !existsSync(defaultConfFile)) return defaultStateDir;
  return readStateDir(confPlaces({ conf: confFile ?? undefined, home: home ?? undefined }));
}
