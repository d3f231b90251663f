import { AgentError } from '../../state/errors.ts';

/** The journal cannot be written: a crash now would lose what has happened since. */
export class JournalError extends AgentError {
  override readonly name = 'JournalError';
  readonly code = 'JOURNAL_NOT_WRITTEN';
  readonly remedy =
    'Free space in state.dir, or make it a folder this user may write to; a kill before that loses events.';
}

/** The journal that is there cannot be read: the platform alone tells where the instance is. */
export class JournalUnreadableError extends AgentError {
  override readonly name = 'JournalUnreadableError';
  readonly code = 'JOURNAL_UNREADABLE';
  readonly remedy = 'Let the user of the agent read state.dir, and look at the disk; hooks may have run a second time.';
}

/** The last line was not finished, so nothing came of it: the agent was killed, or the machine went down. */
export class JournalTornError extends AgentError {
  override readonly name = 'JournalTornError';
  readonly code = 'JOURNAL_TORN';
  readonly remedy = 'Nothing to do: the half line was cut off, and nothing had come of it.';
}

/** Lines were damaged after they had been written. */
export class JournalDamagedError extends AgentError {
  override readonly name = 'JournalDamagedError';
  readonly code = 'JOURNAL_DAMAGED';
  readonly remedy = 'Look at the disk: what was written there has changed. The other lines were used.';
}

/** Another member wrote this journal: the disk is a copy of its. */
export class JournalForeignError extends AgentError {
  override readonly name = 'JournalForeignError';
  readonly code = 'JOURNAL_FOREIGN';
  readonly remedy = 'Make images of instances without the content of state.dir; this one begins afresh.';
}
