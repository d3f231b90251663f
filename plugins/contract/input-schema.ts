import { nearestOf } from '../../state/config/nearest.ts';
import type { HookName } from './hooks.ts';
import type { HookInput, HookInstance } from './input-types.ts';

/** A JSON Schema (draft 2020-12), to be written to a file as it is. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The JSON Schema of what an executable of a hook reads from stdin: `instance`, and beside it what a plugin is given as
 * input. Later versions may add members.
 */
export async function hookInputSchema(hook: HookName): Promise<JsonSchema> {
  // Schemas take time to make, and nobody asks for them while an instance lives.
  const [{ documentSchema }, { z }] = await Promise.all([import('./inputs.ts'), import('zod')]);
  return { title: hook, ...z.toJSONSchema(documentSchema(hook), { io: 'input' }) };
}

/**
 * What is wrong with a document that is to be given to a hook, one line for each: for samples that people write.
 *
 * @param document - `instance` and the input beside it, as an executable reads it
 */
export async function hookInputProblems(hook: HookName, document: unknown): Promise<readonly string[]> {
  const { documentSchema } = await import('./inputs.ts');
  const { error } = documentSchema(hook).safeParse(document);
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.') || hook}: ${message}`);
}

/**
 * The fields of an input that its hook does not know, one line for each. A plugin is to live with those of later versions;
 * in a test of its own one is a mistake.
 */
export async function unknownInputFields(hook: HookName, input: object): Promise<readonly string[]> {
  const { inputSchemas } = await import('./inputs.ts');
  const known = Object.keys(inputSchemas[hook].shape);
  const unknown = Object.keys(input).filter((field) => !known.includes(field));
  return unknown.map((field) => {
    const nearest = nearestOf(field, known);
    if (nearest !== null) return `${field}: there is no such field, did you mean ${nearest}?`;
    return `${field}: there is no such field, ${known.length === 0 ? 'and no other' : `only ${known.join(', ')}`}`;
  });
}

/** A document to try a hook with, as an executable reads it: `instance`, and beside it what a plugin is given as input. */
export async function sampleDocument<Name extends HookName>(
  hook: Name,
): Promise<{ readonly instance: HookInstance } & HookInput<Name>> {
  const { sampleInputs, sampleInstance } = await import('./samples.ts');
  return { instance: sampleInstance, ...sampleInputs[hook] };
}
