import type { z } from 'zod';
import type { Secret } from '../../state/secret.ts';
import type { HookName } from './hooks.ts';
import type { inputSchemas, instanceSchema } from './inputs.ts';

/** Who we are; given to every hook as `instance`, beside its input. Null: the platform did not say. */
export type HookInstance = ReadonlyDeep<z.output<typeof instanceSchema>>;

/**
 * What a plugin's hook is told; an executable reads the same from stdin, with `instance` beside it. Documents passed on
 * as the platform sent them are `unknown`: parse what you need of them.
 */
export type HookInput<Name extends HookName> = ToldInputs[Name];

/** The same inside the agent: documents are still JSON text, secrets are closed, members are those of its model. */
export interface HookInputs extends InsideInputs {}

/** One JSON document that nobody reads on the way, as text or UTF-8: a topology may have tens of megabytes. */
export type RawJson = string | Uint8Array;

type Told<Name extends HookName> = OrNothing<z.output<(typeof inputSchemas)[Name]>>;
/** Zod says of an object without fields that it has any field, none of which has a value. */
type OrNothing<T> = string extends keyof T ? Readonly<Record<never, never>> : T;
type Member = Told<'memberActivated'>['member'];

// Interfaces, so that `HookInput<Name>` of a name not yet known is seen as one of the inputs.
interface ToldInputs extends EveryToldInput {}
type EveryToldInput = { readonly [Name in HookName]: ReadonlyDeep<Told<Name>> };
type InsideInputs = { readonly [Name in HookName]: Inside<Told<Name>> };

type ReadonlyDeep<T> = T extends readonly (infer Item)[]
  ? readonly ReadonlyDeep<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: ReadonlyDeep<T[Key]> }
    : T;

type Inside<T> = unknown extends T
  ? RawJson
  : T extends '[redacted]'
    ? Secret
    : T extends Member
      ? object
      : T extends readonly (infer Item)[]
        ? readonly Inside<Item>[]
        : T extends object
          ? { readonly [Key in keyof T]: Inside<T[Key]> }
          : T;
