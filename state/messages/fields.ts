import { z } from 'zod';

/** Flat text to text. Has no prototype: its keys come from the wire. */
export type Properties = Readonly<Record<string, string>>;

/** An identifier the platform always sends. */
export const id = z.string().min(1);

/** May be missing; the Python agent sends an explicit `null` instead. Both become `undefined`. */
export function optional<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform((value) => value ?? undefined);
}

/** A list that may be missing, and may hold nulls, which are left out. */
export function listOf<T extends z.ZodType>(item: T) {
  return z
    .array(item.nullable())
    .nullish()
    .transform((items) => (items ? items.filter((value) => value !== null) : []));
}

/**
 * Tenant id: a whole number, sent as text by one event and as number by the others; always text here. It becomes the
 * name of a folder, so nothing else passes.
 *
 * @see protocol.md 8.5
 */
export const TenantId = z
  .union([z.int32(), z.string().regex(/^-?\d{1,10}$/)], { error: 'expected a whole number' })
  .transform(Number)
  .pipe(z.int32({ error: 'expected a whole number' }))
  .transform((number) => String(number));
export type TenantId = z.infer<typeof TenantId>;

/** A port of the instance (`value`) and the one a load balancer offers it on (`proxy`). */
export type Port = { readonly protocol: string; readonly value: number; readonly proxy: number };

/** Nothing at all, for whoever has none: one object for all. */
export const noPorts: readonly Port[] = Object.freeze([]);
export const noProperties: Properties = Object.freeze(Object.create(null));

/** Ports as sent: an object by proxy port; only its values matter. */
export const PortMap = z
  .unknown()
  .optional()
  .transform(portsFrom)
  .pipe(z.custom<readonly Port[]>((ports) => ports !== undefined, { error: 'expected ports by proxy port' }));

/** Java properties as sent. A number or boolean is written as text; a null is left out. */
export const Properties = z
  .unknown()
  .optional()
  .transform(propertiesFrom)
  .pipe(z.custom<Properties>((properties) => properties !== undefined, { error: 'expected text by key' }));

/** What {@link PortMap} does, for those who are in a hurry. Undefined if it does not fit. */
export function portsFrom(wire: unknown): readonly Port[] | undefined {
  if (wire === undefined || wire === null) return noPorts;
  if (!isObject(wire)) return undefined;
  const ports = Object.values(wire);
  if (ports.length === 0) return noPorts;
  return ports.every(isPort) ? ports.map(({ protocol, value, proxy }) => ({ protocol, value, proxy })) : undefined;
}

/** What {@link Properties} does, for those who are in a hurry. Undefined if it does not fit. */
export function propertiesFrom(wire: unknown): Properties | undefined {
  if (wire === undefined || wire === null) return noProperties;
  if (!isObject(wire)) return undefined;
  const entries = Object.entries(wire).filter(([, value]) => value !== null);
  if (entries.length === 0) return noProperties;
  const properties: Record<string, string> = Object.create(null);
  for (const [key, value] of entries) {
    if (typeof value === 'object') return undefined;
    properties[key] = String(value);
  }
  return properties;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isPort(value: unknown): value is Port {
  if (!isObject(value)) return false;
  const { protocol, value: inside, proxy } = value;
  return typeof protocol === 'string' && Number.isSafeInteger(inside) && Number.isSafeInteger(proxy);
}
