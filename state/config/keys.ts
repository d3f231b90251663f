import type { Key, ValueOf } from './key.ts';
import { artifactKeys } from './keys-artifacts.ts';
import { brokerKeys, healthKeys, platformKeys } from './keys-broker.ts';
import { agentKeys, hookKeys } from './keys-instance.ts';
import { identityKeys, scriptKeys } from './keys-launch.ts';

/** Every key of the configuration, by its name in agent.conf and launch-params. A new key is declared in its group. */
export const keys = {
  ...brokerKeys,
  ...agentKeys,
  ...artifactKeys,
  ...hookKeys,
  ...healthKeys,
  ...platformKeys,
  ...identityKeys,
  ...scriptKeys,
};

export type KeyName = keyof typeof keys;

/** What each key means in the end: null for "not set". */
export type Values = { readonly [Name in KeyName]: ValueOf<(typeof keys)[Name]> };

/** The keys in the order and under the headings of agent.conf. */
export const chapters: readonly { readonly title: string; readonly keys: Readonly<Record<string, Key<unknown>>> }[] = [
  { title: 'Message broker: mb.urls, or mb.ip and mb.port, is all that must be set', keys: brokerKeys },
  { title: 'Agent', keys: agentKeys },
  { title: 'Artifacts', keys: artifactKeys },
  { title: 'Hooks and plugins', keys: hookKeys },
  { title: 'Health statistics', keys: healthKeys },
  { title: 'Log publishing, metadata service, load balancer', keys: platformKeys },
  { title: 'Identity of the instance: comes from launch-params, and may be overridden here', keys: identityKeys },
  { title: 'From launch-params to scripts, may be overridden here', keys: scriptKeys },
];

const names = new Map((Object.keys(keys) as KeyName[]).map((name) => [name.toLowerCase(), name]));

/** All of them, in the order of agent.conf. */
export const keyNames: readonly KeyName[] = [...names.values()];

/** Keys of agent.conf may be written in any case; null for one that is not known. */
export function keyNameOf(written: string): KeyName | null {
  return names.get(written.toLowerCase()) ?? null;
}
