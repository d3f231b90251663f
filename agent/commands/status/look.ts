import { join } from 'node:path';
import { AgentError, reasonOf } from '../../../state/errors.ts';
import { type Silence, statusFromJournal } from '../../../state/status/journaled.ts';
import { Status } from '../../../state/status.ts';
import { AgentSilentError, askAgent } from '../../asks.ts';
import { readJournaled } from './journaled.ts';

/** Neither the agent nor its journal says anything. */
export class NothingKnownError extends AgentError {
  override readonly name = 'NothingKnownError';
  readonly code = 'STATUS_NOTHING_KNOWN';
  readonly remedy =
    'Name the state.dir of the agent with --conf FILE or --state-dir DIR, run this as the user it runs as, or start it.';
}

/** Above what a busy agent needs to read a complete topology of a large platform. */
const answerWithinMs = 5_000;

/**
 * How the instance is: the agent says it, or if that does not answer, its journal.
 *
 * @throws {@link NothingKnownError}
 */
export async function lookAtInstance(stateDir: string): Promise<Status> {
  const answer = await askForStatus(join(stateDir, 'control.sock'));
  if ('schema' in answer) return answer;
  const journal = await readJournaled(stateDir);
  if (journal !== null) return statusFromJournal(journal, { at: new Date().toISOString(), silence: answer });
  const problem = `${answer.reason}, and there is no journal in ${stateDir}`;
  throw new NothingKnownError(`cannot tell how the instance is: ${problem}`, { facts: { stateDir } });
}

async function askForStatus(socketPath: string): Promise<Status | Silence> {
  try {
    const answer = await askAgent(socketPath, { ask: 'status' }, { timeoutMs: answerWithinMs });
    const status = Status.safeParse(answer);
    return status.success
      ? status.data
      : { kind: 'silent', reason: `the agent does not tell its status${saidBy(answer)}` };
  } catch (thrown) {
    if (thrown instanceof AgentSilentError)
      return { kind: 'silent', reason: `the agent does not answer: ${thrown.message}` };
    return { kind: 'down', reason: whyDown(thrown) };
  }
}

/** The socket answers before the agent can, and says so. */
function saidBy(answer: object): string {
  const error: unknown = 'error' in answer ? answer.error : null;
  const message: unknown = typeof error === 'object' && error !== null && 'message' in error ? error.message : null;
  return typeof message === 'string' ? `: ${message}` : '';
}

function whyDown(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
  if (['ENOENT', 'ENOTDIR', 'ECONNREFUSED'].includes(code)) return 'the agent does not run';
  if (['EACCES', 'EPERM'].includes(code)) return 'the agent may not be asked by this user';
  return `the agent cannot be asked: ${reasonOf(thrown)}`;
}
