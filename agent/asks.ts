import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { connect, type Server, type Socket } from 'node:net';
import { basename, dirname } from 'node:path';
import { AgentError, reasonOf } from '../state/errors.ts';
import { failure, type Log } from './log.ts';

/**
 * Answers what is asked of a running agent over its socket: a line of JSON each way, one after the other.
 * A failure becomes `{ error: { code, message, remedy } }`.
 */
export type Answer = (ask: object) => Promise<object>;

/** Somebody listens at the socket of an agent, but no answer came. */
export class AgentSilentError extends AgentError {
  override readonly name = 'AgentSilentError';
  readonly code = 'AGENT_SILENT';
  readonly remedy = 'Look at the process of the agent: it hangs, is stopped, or was about to end; its log says more.';
}

/** What was asked is not one JSON object on one line. */
class AskNotUnderstoodError extends AgentError {
  override readonly name = 'AskNotUnderstoodError';
  readonly code = 'ASK_NOT_UNDERSTOOD';
  readonly remedy = 'Send {"ask":"who"} or what else the documentation of the control socket names, and a line feed.';
}

/** Room for the terminating zero is in it. @see unix(7), sun_path */
const maxPathBytes = 107;
const maxAskLength = 65_536;
const maxAnswerLength = 16_777_216;
const maxConnections = 32;
const idleMs = 60_000;

/** Lets `server` (made with `allowHalfOpen`) answer. @returns ends the conversations that are going on */
export function answerAsks(server: Server, answer: Answer, log: Log): () => void {
  const sockets = new Set<Socket>();
  server.maxConnections = maxConnections;
  // It listens on, also when the process has no descriptors left for whoever asks.
  server.on('error', (thrown) => log.debug({ event: 'control.refused', ...failure(thrown) }, 'cannot take a question'));
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.setTimeout(idleMs, () => socket.destroy());
    converse(socket, answer, log).catch((thrown) => {
      // Whoever asked has gone; nothing of ours depends on it.
      log.debug({ event: 'control.broken', ...failure(thrown) }, 'a conversation broke off');
    });
  });
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}

/**
 * Asks the agent behind a socket, and waits for its answer.
 *
 * @throws {AgentSilentError} if it does not answer in time; the system's error (ENOENT, ECONNREFUSED) if there is none
 */
export function askAgent(socketPath: string, ask: object, { timeoutMs }: { timeoutMs: number }): Promise<object> {
  return withSocketPath(socketPath, async (path) => {
    const socket = connect(path);
    const deadline = setTimeout(() => socket.destroy(silence(socketPath, `for ${timeoutMs} ms`)), timeoutMs);
    try {
      socket.write(`${JSON.stringify(ask)}\n`);
      return await readAnswer(socket, socketPath);
    } finally {
      clearTimeout(deadline);
      socket.destroy();
    }
  });
}

/** Gives `use` a name for `path` that fits into the address of a socket, for as long as it runs. */
export async function withSocketPath<Result>(path: string, use: (path: string) => Promise<Result>): Promise<Result> {
  if (Buffer.byteLength(path) <= maxPathBytes) return use(path);
  const folder = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return await use(`/proc/self/fd/${folder}/${basename(path)}`);
  } finally {
    closeSync(folder);
  }
}

async function converse(socket: Socket, answer: Answer, log: Log): Promise<void> {
  socket.setEncoding('utf8');
  let rest = '';
  for await (const chunk of socket) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) await say(socket, await answerTo(line, answer, log));
    if (rest.length > maxAskLength) return;
  }
  socket.end();
}

/** Who does not read the answers gets no more of them: they would fill our memory instead of the pipe. */
async function say(socket: Socket, answer: object): Promise<void> {
  if (socket.write(`${JSON.stringify(answer)}\n`)) return;
  await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
}

async function answerTo(line: string, answer: Answer, log: Log): Promise<object> {
  try {
    return await answer(parseAsk(line));
  } catch (thrown) {
    // Telling must not end what is told about.
    if (!(thrown instanceof AgentError)) log.error({ event: 'control.failed', ...failure(thrown) }, 'cannot answer');
    const { code = 'DEFECT', remedy = 'Report this, with the log of the agent.' } = failure(thrown);
    return { error: { code, message: reasonOf(thrown), remedy } };
  }
}

function parseAsk(line: string): object {
  const ask = parseObject(line);
  if (ask === null) throw new AskNotUnderstoodError('cannot read what was asked');
  return ask;
}

async function readAnswer(socket: Socket, socketPath: string): Promise<object> {
  socket.setEncoding('utf8');
  let text = '';
  for await (const chunk of socket) {
    text += chunk;
    const end = text.indexOf('\n');
    const answer = end === -1 ? null : parseObject(text.slice(0, end));
    if (answer !== null) return answer;
    if (end !== -1 || text.length > maxAnswerLength) break;
  }
  throw silence(socketPath, 'before the connection ended');
}

function silence(socketPath: string, how: string): AgentSilentError {
  return new AgentSilentError(`cannot get an answer ${how}`, { facts: { socketPath } });
}

function parseObject(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
