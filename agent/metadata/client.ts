import type { MetadataClient, MetadataOptions } from '../../plugins/contract.ts';
import type { Config } from '../../state/config/config.ts';
import type { Secret } from '../../state/secret.ts';
import type { Log } from '../log.ts';
import { parseProperty, Values } from './answers.ts';
import { MetadataAnswerError, MetadataInputError, MetadataRefusedError } from './failures.ts';
import { createPaths } from './paths.ts';
import { type Answer, createRequests, type Patience } from './requests.ts';

/** What plugins are given; each call can be ended. */
export interface MetadataService extends MetadataClient {
  readonly get: (key: string, options?: CallOptions) => Promise<readonly string[] | null>;
  readonly put: (key: string, values: string | readonly string[], options?: CallOptions) => Promise<void>;
  readonly delete: (key: string, value?: string, options?: Pick<CallOptions, 'signal'>) => Promise<void>;
}

export type CallOptions = MetadataOptions & { readonly signal?: AbortSignal };

export type MetadataParts = {
  readonly log: Log;
  /** Ends what is under way, when the agent stops. */
  readonly signal: AbortSignal;
  readonly patience?: Partial<Patience>;
  /** Told what the service takes for the time, with each answer. */
  readonly onServerTime?: (timeMs: number) => void;
};

/** Undefined: there is no `metadata.service.url`. */
export function metadataOf(config: Pick<Config, 'metadata' | 'instance'>, parts: MetadataParts) {
  const { url, token } = config.metadata;
  const { applicationId } = config.instance;
  return url === null ? undefined : createMetadataClient({ url, token, applicationId }, parts);
}

/**
 * The client of the metadata service: lists of text by key. Nothing is asked before the first call. What may succeed later
 * (no connection, 5xx) is tried again for half a minute; each call can be repeated without harm.
 *
 * Certificates are trusted as Node was told when it started: `NODE_USE_SYSTEM_CA=1` for the store of the system.
 *
 * Each call throws what failures.ts has, or the reason of a signal.
 * @param options - `url`: `https://host:port`, as `metadata.service.url` has it
 * @see protocol.md section 11
 */
export function createMetadataClient(
  { url, token, applicationId }: { url: string; token: Secret | null; applicationId: string },
  { log, signal: stopped, patience = {}, onServerTime }: MetadataParts,
): MetadataService {
  const paths = createPaths(applicationId);
  const requests = createRequests({ url, token, patience, onServerTime, log });
  const until = (signal?: AbortSignal) => (signal === undefined ? stopped : AbortSignal.any([stopped, signal]));

  return {
    async get(key, { cluster, signal } = {}) {
      const about = { action: 'read', key, ...within(cluster) } as const;
      const answer = await requests.send({ method: 'GET', path: paths.property(key, cluster), about }, until(signal));
      return isNothing(answer) ? null : understood(answer);
    },
    async put(key, values, { cluster, signal } = {}) {
      const about = { action: 'write', key, ...within(cluster) } as const;
      paths.property(key, cluster); // A key that could not be read again is not written.
      const body = { key, values: wished(values) };
      const path = paths.properties(cluster);
      const answer = await requests.send({ method: 'POST', path, about, body }, until(signal));
      if (answer.status === 404) throw new MetadataRefusedError(answer.involved, answer.status);
    },
    async delete(key, value, { signal } = {}) {
      const about = { action: 'delete', key } as const;
      // Not there: it has been deleted, maybe by our own first attempt, whose answer was lost.
      await requests.send({ method: 'DELETE', path: paths.removal(key, value), about }, until(signal));
    },
  };
}

function within(cluster: string | undefined): { cluster?: string } {
  return cluster === undefined ? {} : { cluster };
}

function isNothing({ status, text }: Answer): boolean {
  return status === 404 || status === 204 || text === '';
}

function understood({ text, involved }: Answer): readonly string[] {
  try {
    return parseProperty(text);
  } catch (thrown) {
    throw new MetadataAnswerError(involved, thrown instanceof SyntaxError ? 'no JSON' : 'not what was asked for');
  }
}

/** Plugins may be written without types. */
function wished(values: unknown): readonly string[] {
  const parsed = Values.safeParse(values);
  if (!parsed.success) throw new MetadataInputError('the values', 'text, or a list of at least one text');
  return parsed.data;
}
