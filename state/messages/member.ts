import { z } from 'zod';
import { isObject, type Port, type Properties, portsFrom, propertiesFrom } from './fields.ts';

/** Where a member is in its life; the platform's spelling. @see protocol.md 5.3 */
export const MemberStatus = z.enum([
  'Created',
  'Initialized',
  'Starting',
  'Active',
  'In_Maintenance',
  'ReadyToShutDown',
  'Suspended',
  'Terminated',
]);
export type MemberStatus = z.infer<typeof MemberStatus>;

/** An instance, seen from its cluster. Never changed: a new status makes a new one. @see protocol.md 3.1 */
export type Member = {
  readonly serviceName: string;
  readonly clusterId: string;
  readonly memberId: string;
  readonly clusterInstanceId: string | undefined;
  readonly networkPartitionId: string | undefined;
  readonly partitionId: string | undefined;
  /** When it was made, in epoch ms, by the clock of the cloud controller. */
  readonly initTime: number | undefined;
  /** Given by the IaaS. */
  readonly instanceId: string | undefined;
  readonly lbClusterId: string | undefined;
  readonly publicIPs: readonly string[];
  readonly defaultPublicIP: string | undefined;
  readonly privateIPs: readonly string[];
  readonly defaultPrivateIP: string | undefined;
  readonly properties: Properties;
  readonly ports: readonly Port[];
  readonly status: MemberStatus;
  /** Every status so far, oldest first; the last one is the current. */
  readonly stateStack: readonly MemberStatus[];
};

/**
 * Reads members as the complete topology spells them. By hand: a schema takes three times as long and leaves a
 * kilobyte of garbage a member, and there may be a hundred thousand. What members have in common becomes one and the
 * same value, so that as many fit into a small process.
 */
export class MemberReader {
  readonly #texts = new Map<string, string>();
  readonly #stacks = new Map<string, readonly MemberStatus[]>();
  readonly #ports = new Map<string, readonly Port[]>();
  readonly #properties = new Map<string, Properties>();

  /** @throws MemberMisfit if a field the platform always sends is missing, or any is of another type */
  read(wire: unknown): Member {
    if (!isObject(wire)) throw new MemberMisfit('expected an object');
    const stateStack = this.#stackOf(wire['memberStateManager']);
    return {
      serviceName: this.#shared(required(wire, 'serviceName')),
      clusterId: this.#shared(required(wire, 'clusterId')),
      memberId: required(wire, 'memberId'),
      clusterInstanceId: this.#shared(text(wire, 'clusterInstanceId')),
      networkPartitionId: this.#shared(text(wire, 'networkPartitionId')),
      partitionId: this.#shared(text(wire, 'partitionId')),
      initTime: number(wire, 'initTime'),
      instanceId: text(wire, 'instanceId'),
      lbClusterId: this.#shared(text(wire, 'lbClusterId')),
      publicIPs: texts(wire, 'memberPublicIPs'),
      defaultPublicIP: text(wire, 'defaultPublicIP'),
      privateIPs: texts(wire, 'memberPrivateIPs'),
      defaultPrivateIP: text(wire, 'defaultPrivateIP'),
      properties: pooled(this.#properties, present(propertiesFrom(wire['properties']), 'properties')),
      ports: pooled(this.#ports, present(portsFrom(wire['portMap']), 'portMap')),
      status: stateStack[stateStack.length - 1] ?? 'Created',
      stateStack,
    };
  }

  #shared<T extends string | undefined>(value: T): T {
    if (value === undefined) return value;
    const known = this.#texts.get(value);
    if (known !== undefined) return known as T;
    this.#texts.set(value, value);
    return value;
  }

  #stackOf(manager: unknown): readonly MemberStatus[] {
    const stack = isObject(manager) ? manager['stateStack'] : undefined;
    if (!isStack(stack)) throw new MemberMisfit('memberStateManager.stateStack: expected a list of statuses');
    return pooled(this.#stacks, stack);
  }
}

/** Why a member cannot be read; names the field, never its value. */
export class MemberMisfit extends Error {
  override readonly name = 'MemberMisfit';
}

type Wire = Readonly<Record<string, unknown>>;
const noTexts: readonly string[] = Object.freeze([]);
const statuses: ReadonlySet<unknown> = new Set(MemberStatus.options);

function required(wire: Wire, key: string): string {
  const value = wire[key];
  if (typeof value === 'string' && value !== '') return value;
  throw new MemberMisfit(`${key}: expected text`);
}

function text(wire: Wire, key: string): string | undefined {
  const value = wire[key] ?? undefined;
  if (value === undefined || typeof value === 'string') return value;
  throw new MemberMisfit(`${key}: expected text`);
}

function number(wire: Wire, key: string): number | undefined {
  const value = wire[key] ?? undefined;
  if (value === undefined || typeof value === 'number') return value;
  throw new MemberMisfit(`${key}: expected a number`);
}

function texts(wire: Wire, key: string): readonly string[] {
  const value = wire[key] ?? noTexts;
  if (!Array.isArray(value)) throw new MemberMisfit(`${key}: expected a list of texts`);
  if (value.every((item) => typeof item === 'string')) return value;
  const present = value.filter((item) => item !== null);
  if (!present.every((item) => typeof item === 'string')) throw new MemberMisfit(`${key}: expected a list of texts`);
  return present;
}

function isStack(stack: unknown): stack is readonly MemberStatus[] {
  return Array.isArray(stack) && stack.length > 0 && stack.every((status) => statuses.has(status));
}

function present<T>(value: T | undefined, key: string): T {
  if (value === undefined) throw new MemberMisfit(`${key}: of another type`);
  return value;
}

function pooled<T>(pool: Map<string, T>, value: T): T {
  const key = JSON.stringify(value);
  const known = pool.get(key);
  if (known === undefined) pool.set(key, value);
  return known ?? value;
}
