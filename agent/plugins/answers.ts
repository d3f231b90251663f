import { z } from 'zod';
import type { Secret } from '../../state/secret.ts';
import type { Log } from '../log.ts';
import type { CallOptions, MetadataService } from '../metadata/client.ts';
import { type ExecSurroundings, Program, runProgram } from './exec.ts';
import type { Ask } from './messages.ts';

/** What plugins may ask the agent for. */
export type Services = {
  readonly programs: ExecSurroundings;
  /** By the name of the launch parameter. */
  readonly secrets: (name: string) => Secret | null | Promise<Secret | null>;
  readonly metadata?: MetadataService | undefined;
  /** Told each secret that is given away, so that it is taken out of what plugins say. */
  readonly onSecret: (text: string) => void;
};

const programsAtOnce = 16;
const Cluster = z.strictObject({ cluster: z.string().optional() }).optional();
const Get = z.tuple([z.string(), Cluster]);
const Put = z.tuple([z.string(), z.union([z.string(), z.array(z.string())]), Cluster]);
const Delete = z.tuple([z.string(), z.string().optional()]);
const SecretName = z.tuple([z.string()]);

/**
 * Makes the function that gives one plugin what it asks for.
 *
 * @param folder - where its programs work
 */
export function createAnswers(services: Services, folder: string) {
  let running = 0;

  /** @throws when it cannot be had; the plugin is told the message */
  return async function answer({ what, args }: Ask, signal: AbortSignal, log: Log): Promise<unknown> {
    if (what === 'exec') return await exec(parse(Program, what, args), signal, log);
    if (what === 'readSecret') return await readSecret(parse(SecretName, what, args)[0]);
    return await askMetadata(what, args, signal);
  };

  async function exec(program: Program, signal: AbortSignal, log: Log) {
    if (running === programsAtOnce) throw new Error(`cannot run ${program[0]}: ${running} programs run already`);
    running += 1;
    const run = { ...services.programs, folder, log, signal };
    return await runProgram(program, run).finally(() => {
      running -= 1;
    });
  }

  async function askMetadata(
    what: Exclude<Ask['what'], 'exec' | 'readSecret'>,
    args: unknown[],
    signal: AbortSignal,
  ): Promise<unknown> {
    const { metadata } = services;
    if (metadata === undefined) throw new Error('cannot reach the metadata service: metadata.service.url is not set');
    if (what === 'metadata.get') {
      const [key, cluster] = parse(Get, what, args);
      return await metadata.get(key, optionsOf(cluster, signal));
    }
    if (what === 'metadata.put') {
      const [key, values, cluster] = parse(Put, what, args);
      return await metadata.put(key, values, optionsOf(cluster, signal));
    }
    const [key, value] = parse(Delete, what, args);
    return await metadata.delete(key, value, { signal });
  }

  async function readSecret(name: string): Promise<string | null> {
    const secret = await services.secrets(name);
    if (secret === null) return null;
    services.onSecret(secret.reveal());
    return secret.reveal();
  }
}

/** @throws Error that names what was asked for, and what is wrong with it */
function parse<Schema extends z.ZodType>(schema: Schema, what: string, args: readonly unknown[]): z.output<Schema> {
  const parsed = schema.safeParse(args);
  if (parsed.success) return parsed.data;
  throw new Error(`cannot ${what}: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`);
}

function optionsOf(options: z.infer<typeof Cluster>, signal: AbortSignal): CallOptions {
  return options?.cluster === undefined ? { signal } : { cluster: options.cluster, signal };
}
