import { existsSync } from 'node:fs';
import { readStateDir } from '../config.ts';

const defaultConfFile = '/etc/cartridge-agent/agent.conf';
const defaultStateDir = '/var/lib/cartridge-agent';

/**
 * Where the agent of this machine keeps its state, as the options `--state-dir` and `--conf` say.
 *
 * @throws ConfigError - the file is not there, or says nothing that could be used
 */
export function stateDirOf({ stateDir, confFile }: { stateDir: string | null; confFile: string | null }): string {
  if (stateDir !== null) return stateDir;
  if (confFile === null && !existsSync(defaultConfFile)) return defaultStateDir;
  return readStateDir({ confFile: confFile ?? defaultConfFile });
}
