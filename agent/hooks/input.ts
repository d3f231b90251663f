import type { HookInputs, HookInstance, HookName, RawJson } from '../../plugins/contract.ts';

/** Inputs that are whole documents already: passed on as they are, for parsing tens of megabytes would stop the agent. */
const rawKeys: Readonly<Partial<Record<HookName, readonly string[]>>> = {
  completeTopology: ['topology', 'members'],
  completeTenant: ['tenants'],
};

/** What an executable reads from stdin: one JSON object, `instance` and the input of the hook, in pieces. */
export function inputDocument<Name extends HookName>(
  name: Name,
  input: HookInputs[Name],
  instance: HookInstance,
): RawJson[] {
  const raw: readonly string[] | undefined = rawKeys[name];
  const pieces: RawJson[] = [`{"instance":${JSON.stringify(instance)}`];
  for (const [key, value] of Object.entries<unknown>({ ...input })) {
    const document = raw?.includes(key) === true ? (value as RawJson) : JSON.stringify(value);
    if (document !== undefined) pieces.push(`,${JSON.stringify(key)}:`, document);
  }
  return [...pieces, '}\n'];
}
