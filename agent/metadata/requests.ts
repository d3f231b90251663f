import { setTimeout as pause } from 'node:timers/promises';
import { AgentError } from '../../state/errors.ts';
import type { Secret } from '../../state/secret.ts';
import type { Log } from '../log.ts';
import {
  type Involved,
  MetadataAnswerError,
  MetadataCertificateError,
  MetadataForbiddenError,
  MetadataRefusedError,
  MetadataTokenError,
  MetadataUnavailableError,
} from './failures.ts';
import { describedCause, isAboutCertificate } from './reasons.ts';

/** One thing to ask of the service. */
export type Request = {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below the base, encoded. */
  readonly path: string;
  readonly body?: object;
  readonly about: Omit<Involved, 'url'>;
};

/** 2xx, or 404. */
export type Answer = { readonly status: number; readonly text: string; readonly involved: Involved };

/** How long we wait. */
export type Patience = {
  /** For one answer, all of it. */
  readonly attemptMs: number;
  /** After this no further attempt begins. With the last one it is less than a hook has. */
  readonly retryForMs: number;
  /** Before the second attempt; doubled before each further one, up to ten times as much. */
  readonly pauseMs: number;
};

const defaultPatience: Patience = { attemptMs: 10_000, retryForMs: 20_000, pauseMs: 500 };
const answerAtMostBytes = 4 * 1024 * 1024;

/**
 * Asks, and asks again what may succeed later.
 *
 * @param options - `onServerTime`: told what the service takes for the time, ms since 1970
 */
export function createRequests(options: {
  url: string;
  token: Secret | null;
  patience: Partial<Patience>;
  onServerTime?: ((timeMs: number) => void) | undefined;
  log: Log;
}) {
  const { token, log } = options;
  const patience = { ...defaultPatience, ...options.patience };
  const base = baseOf(options.url);

  async function attempt({ method, path, body, about }: Request, signal: AbortSignal): Promise<Answer> {
    const involved = { url: base.shown, ...about };
    const response = await fetch(`${base.url}/${path}`, {
      method,
      headers: headersOf(token, involved),
      // The token is for this service alone.
      redirect: 'manual',
      signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const { status, ok, headers } = response;
    const serverTimeMs = Date.parse(headers.get('date') ?? '');
    if (!Number.isNaN(serverTimeMs)) options.onServerTime?.(serverTimeMs);
    if (ok) return { status, text: await textOf(response, involved), involved };
    await response.body?.cancel();
    if (status === 404) return { status, text: '', involved };
    if (status >= 500 || status === 408 || status === 429) throw new ServerFailure(`status ${status}`);
    if (status === 401 || status === 403) throw new MetadataForbiddenError(involved, status);
    throw new MetadataRefusedError(involved, status);
  }

  return {
    async send(request: Request, signal: AbortSignal): Promise<Answer> {
      const involved = { url: base.shown, ...request.about };
      const deadlineMs = performance.now() + patience.retryForMs;
      for (let attempts = 1; ; attempts += 1) {
        signal.throwIfAborted();
        const limited = AbortSignal.any([signal, AbortSignal.timeout(patience.attemptMs)]);
        const outcome = await attempt(request, limited).catch((error: unknown) => ({ error }));
        if (!('error' in outcome)) return outcome;
        signal.throwIfAborted();

        const { error } = outcome;
        if (error instanceof AgentError) throw error;
        const cause = describedCause(error, token);
        if (isAboutCertificate(cause)) throw new MetadataCertificateError(involved, { cause });
        const waitMs = backOff(patience.pauseMs, attempts);
        if (performance.now() + waitMs >= deadlineMs) throw new MetadataUnavailableError(involved, { cause, attempts });
        log.debug({ event: 'metadata.retried', ...involved, attempts, waitMs, reason: cause.message }, 'asks again');
        await pause(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    },
  };
}

/** It has no time, or is broken; 5xx also for an application that the service has not yet heard of. */
class ServerFailure extends Error {}

/** The path may be below another one; user info is nothing that `fetch` takes. */
function baseOf(text: string): { url: string; shown: string } {
  const { protocol, host, pathname } = new URL(text);
  const shown = `${protocol}//${host}${pathname.replace(/\/+$/, '')}`;
  return { url: `${shown}/metadata/api`, shown };
}

/** @throws {@link MetadataTokenError}; `fetch` would quote a token that it cannot send */
function headersOf(token: Secret | null, involved: Involved): Record<string, string> {
  const clear = token?.reveal().trim() ?? '';
  if (!/^[\x21-\x7e]+$/.test(clear)) throw new MetadataTokenError(involved);
  return { authorization: `Bearer ${clear}`, 'content-type': 'application/json', accept: 'application/json' };
}

async function textOf(response: Response, involved: Involved): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  // Leaving the loop closes the connection.
  for await (const piece of response.body ?? []) {
    bytes += piece.byteLength;
    if (bytes > answerAtMostBytes) throw new MetadataAnswerError(involved, `more than ${answerAtMostBytes} bytes`);
    text += decoder.decode(piece, { stream: true });
  }
  return text + decoder.decode();
}

function backOff(pauseMs: number, attempts: number): number {
  return Math.min(pauseMs * 2 ** (attempts - 1), 10 * pauseMs) * (0.5 + Math.random() / 2);
}
