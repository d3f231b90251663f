import { access, constants, stat } from 'node:fs/promises';
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
    'Name the state.dir of the agent with --conf FILE or --state-dir DIR, or start the agent. One that cannot write its ' +
    'state.dir may run, and cannot be asked: see its log, or `cartridge-agent events --broker URL --event Presence`.';
}

/** There may be an agent, but this user may neither ask it nor read its journal. */
export class StatusForbiddenError extends AgentError {
  override readonly name = 'StatusForbiddenError';
  readonly code = 'STATUS_FORBIDDEN';
  readonly remedy = 'Run this as the user of the agent, or as root.';
}

/** Above what a busy agent needs to read a complete topology of a large platform. */
const answerWithinMs = 5_000;

/**
 * How the instance is: the agent says it, or if that does not answer, its journal.
 *
 * @param withinMs - how long to wait for the agent at most; a little is always granted
 * @throws {@link NothingKnownError}, {@link StatusForbiddenError}
 */
export async function lookAtInstance(stateDir: string, withinMs = answerWithinMs): Promise<Status> {
  const timeoutMs = Math.max(leastMs, Math.min(answerWithinMs, Math.ceil(withinMs)));
  const answer = await askForStatus(stateDir, timeoutMs);
  if ('schema' in answer) return answer;
  const journal = await readJournaled(stateDir);
  if (journal !== null) return statusFromJournal(journal, { at: new Date().toISOString(), silence: answer });
  const problem = `${answer.reason}, and ${await whyNoJournal(stateDir)}`;
  throw new NothingKnownError(`cannot tell how the instance is: ${problem}`, { facts: { stateDir } });
}

const leastMs = 100;

async function askForStatus(stateDir: string, timeoutMs: number): Promise<Status | Silence> {
  const socketPath = join(stateDir, 'control.sock');
  try {
    const answer = await askAgent(socketPath, { ask: 'status' }, { timeoutMs });
    const status = Status.safeParse(answer);
    return status.success
      ? status.data
      : { kind: 'silent', reason: `the agent does not tell its status${saidBy(answer)}` };
  } catch (thrown) {
    if (thrown instanceof AgentSilentError)
      return { kind: 'silent', reason: `the agent does not answer: ${thrown.message}` };
    const code = codeOf(thrown);
    if (code === 'EACCES' || code === 'EPERM')
      throw new StatusForbiddenError(`cannot ask the agent at ${socketPath}: this user may not`, { cause: thrown });
    if (['ENOENT', 'ENOTDIR', 'ECONNREFUSED'].includes(code))
      return { kind: 'down', reason: await whyNobody(stateDir) };
    return { kind: 'silent', reason: `the agent cannot be asked: ${reasonOf(thrown)}` };
  }
}

/** An agent that cannot write there runs too, without a socket: that none answers does not say that none is there. */
async function whyNobody(stateDir: string): Promise<string> {
  const code = await access(stateDir, constants.W_OK).then(() => '', codeOf);
  const isLocked = code === 'EROFS' || code === 'EACCES';
  return isLocked ? `no agent answers, and none could: ${stateDir} cannot be written` : 'no agent answers';
}

/** The socket answers before the agent can, and says so. */
function saidBy(answer: object): string {
  const error: unknown = 'error' in answer ? answer.error : null;
  const message: unknown = typeof error === 'object' && error !== null && 'message' in error ? error.message : null;
  return typeof message === 'string' ? `: ${message}` : '';
}

async function whyNoJournal(stateDir: string): Promise<string> {
  try {
    const found = await stat(stateDir);
    return found.isDirectory() ? `there is no journal in ${stateDir}` : `${stateDir} is not a folder`;
  } catch (thrown) {
    return codeOf(thrown) === 'ENOENT'
      ? `${stateDir} does not exist`
      : `${stateDir} cannot be read: ${reasonOf(thrown)}`;
  }
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
}
