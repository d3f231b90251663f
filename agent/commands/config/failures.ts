import { AgentError } from '../../../state/errors.ts';

/** The command line asks for something there is not. */
export class ConfigUsageError extends AgentError {
  override readonly name = 'ConfigUsageError';
  readonly code = 'CONFIG_USAGE';
  readonly remedy = 'See cartridge-agent config --help.';
}

/** The new agent.conf cannot be put where it shall be. */
export class ConfigNotWrittenError extends AgentError {
  override readonly name = 'ConfigNotWrittenError';
  readonly code = 'CONFIG_NOT_WRITTEN';
  readonly remedy = 'Name a file in a folder this user may write to.';
}

/** There is a file already, and nobody said that it is no longer wanted. */
export class ConfigExistsError extends AgentError {
  override readonly name = 'ConfigExistsError';
  readonly code = 'CONFIG_EXISTS';
  readonly remedy = 'Name another file, or add --force to replace it.';

  constructor(path: string) {
    super(`cannot write ${path}: there is such a file`, { facts: { path } });
  }
}
