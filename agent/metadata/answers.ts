import { z } from 'zod';

/** What may be written: one text, or several. */
export const Values = z.union([z.string().transform((value) => [value]), z.array(z.string()).min(1)]);

/** Its JSON library writes text that looks like a number, `true` or `false` without quotes. */
const Text = z.union([z.string(), z.number(), z.boolean()]).transform(String);

/** A list of one is written as that one. */
const Property = z.object({ key: Text, values: z.union([z.array(Text), Text.transform((one) => [one])]).nullish() });

/**
 * The values of one property.
 *
 * @throws when it is no such answer
 */
export function parseProperty(text: string): readonly string[] {
  return Property.parse(parseJson(text)).values ?? [];
}

/** Numbers stay as they are written: an id of twenty digits is no double. */
function parseJson(text: string): unknown {
  const asWritten = (_: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' ? (context?.source ?? value) : value;
  return JSON.parse(text, asWritten);
}
