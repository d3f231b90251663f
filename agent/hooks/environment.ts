import { type HookInputs, type HookName, hooks } from '../../plugins/contract.ts';
import { isSecretParam } from '../../state/config/launch-params.ts';
import { Secret } from '../../state/secret.ts';

/** What scripts are told of the configuration. The agent's own configuration has more; this is all that is used here. */
export type ScriptSettings = {
  /** Give scripts the keys and passwords of the platform, too. */
  readonly passSecrets: boolean;
  readonly paramFilePath: string | null;
  readonly applicationPath: string | null;
  readonly persistenceMapping: string | null;
  readonly launchParams: ReadonlyMap<string, string>;
};

/** What scripts are told of the world as it is now. Null: not known. */
export type CommonValues = {
  /** Host of the broker in use. */
  readonly mbIp: string | null;
  readonly lbIp: string | null;
  readonly lbPublicIp: string | null;
  readonly serviceProperties: Readonly<Record<string, string>>;
  readonly clusterProperties: Readonly<Record<string, string>>;
  readonly memberProperties: Readonly<Record<string, string>>;
};

/** The environment of one run: variables, and by name what is too long to be one and goes into a file each. */
export type ScriptEnvironment = {
  readonly variables: Readonly<Record<string, string>>;
  readonly files: ReadonlyMap<string, string | Uint8Array>;
  /** The clear text of all that is secret, given or not: what a script says is searched for it. */
  readonly secrets: readonly string[];
};

/** Linux refuses to start a process with a variable of 128 KiB or more. */
const variableLimitBytes = 64 * 1024;

/**
 * Builds the environment of one run, afresh: nothing of an earlier run can be in it, and of the agent's own environment
 * only PATH, LANG and HOME are.
 *
 * @param attempt - counted from 1
 * @param environment - the agent's own
 * @see protocol.md sections 7.1 and 7.2
 */
export function scriptEnvironment<Name extends HookName>(run: {
  readonly hook: Name;
  readonly input: HookInputs[Name];
  readonly attempt: number;
  readonly settings: ScriptSettings;
  readonly facts: CommonValues;
  readonly environment: Readonly<Record<string, string | undefined>>;
}): ScriptEnvironment {
  const variables: Record<string, string> = {};
  const files = new Map<string, string | Uint8Array>();
  const secrets: string[] = [];
  for (const name of ['PATH', 'LANG', 'HOME']) {
    const value = run.environment[name];
    if (value !== undefined) variables[name] = value;
  }
  for (const [key, value] of stratosValues(run)) {
    if (isSecretParam(key)) secrets.push(textOf(value));
    if (isSecretParam(key) && !run.settings.passSecrets) continue;
    if (sizeOf(value) > variableLimitBytes) files.set(`STRATOS_${key}_FILE`, value);
    else variables[`STRATOS_${key}`] = textOf(value);
  }
  variables['CARTRIDGE_HOOK'] = run.hook;
  variables['CARTRIDGE_ATTEMPT'] = String(run.attempt);
  return { variables: withoutNul(variables), files, secrets };
}

type Value = string | Uint8Array;

/** Without prefix. What comes later wins: the event over launch-params over what is common to all. */
function stratosValues<Name extends HookName>(run: {
  readonly hook: Name;
  readonly input: HookInputs[Name];
  readonly settings: ScriptSettings;
  readonly facts: CommonValues;
}): Map<string, Value> {
  const values = new Map<string, Value>();
  const params = [...run.settings.launchParams].filter(([, value]) => value !== '' && value !== 'null');
  const all = [
    ...Object.entries(commonValues(run.settings, run.facts)),
    ...params,
    ...Object.entries(eventValues[run.hook](run.input)),
    ['EVENT', hooks[run.hook].script ?? run.hook] as const,
  ];
  for (const [key, value] of all) {
    if (value === null || value === undefined || key === '' || /[=\0]/.test(key)) continue;
    values.set(key, value instanceof Secret ? value.reveal() : value);
  }
  return values;
}

type Values = Readonly<Record<string, Value | Secret | null | undefined>>;

function commonValues(settings: ScriptSettings, facts: CommonValues): Values {
  return {
    MB_IP: facts.mbIp,
    APPLICATION_PATH: settings.applicationPath,
    PARAM_FILE_PATH: settings.paramFilePath,
    PERSISTENCE_MAPPINGS: settings.persistenceMapping,
    LB_IP: facts.lbIp,
    LB_PUBLIC_IP: facts.lbPublicIp,
    ...prefixed('SERVICE_PROPERTY_', facts.serviceProperties),
    ...prefixed('CLUSTER_PROPERTY_', facts.clusterProperties),
    ...prefixed('MEMBER_PROPERTY_', facts.memberProperties),
  };
}

/** What each event adds. @see protocol.md section 7.1 */
const eventValues: { readonly [Name in HookName]: (input: HookInputs[Name]) => Values } = {
  lvsInterface: ({ virtualIp }) => {
    const [address, netmask] = virtualIp.split('|');
    return { LVS_DUMMY_VIRTUAL_IP: address, LVS_SUBNET_MASK: netmask };
  },
  volumeMount: ({ persistenceMapping }) => ({ VALUE1: persistenceMapping }),
  instanceStarting: none,
  startServers: none,
  artifactUpdating: artifactValues,
  artifactUpdated: artifactValues,
  instanceActivating: none,
  instanceActivated: none,
  drain: none,
  clean: none,
  completeTopology: ({ topology, members }) => ({ TOPOLOGY_JSON: topology, MEMBER_LIST_JSON: members }),
  completeTenant: ({ tenants }) => ({ TENANT_LIST_JSON: tenants }),
  memberInitialized: none,
  memberStarted: none,
  memberActivated: none,
  memberMaintenance: none,
  memberSuspended: none,
  memberTerminated: none,
  tenantSubscribed: none,
  domainMappingAdded: (mapping) => ({ ...domainValues(mapping), SUBSCRIPTION_CONTEXT_PATH: mapping.contextPath }),
  domainMappingRemoved: domainValues,
  applicationSignUpRemoved: none,
  artifactDrifted: none,
};

function none(): Values {
  return {};
}

function artifactValues({ tenantId, repoUrl, event }: HookInputs['artifactUpdated']): Values {
  if (event === null) return { ARTIFACT_UPDATED_TENANT_ID: tenantId, ARTIFACT_UPDATED_SCHEDULER: 'true' };
  return {
    ARTIFACT_UPDATED_CLUSTER_ID: event.clusterId,
    ARTIFACT_UPDATED_TENANT_ID: tenantId,
    ARTIFACT_UPDATED_REPO_URL: repoUrl,
    ARTIFACT_UPDATED_REPO_PASSWORD: event.repoPassword,
    ARTIFACT_UPDATED_REPO_USERNAME: event.repoUserName,
    ARTIFACT_UPDATED_STATUS: event.status,
  };
}

function domainValues(mapping: HookInputs['domainMappingRemoved']): Values {
  return {
    SUBSCRIPTION_APPLICATION_ID: mapping.applicationId,
    SUBSCRIPTION_SERVICE_NAME: mapping.serviceName,
    SUBSCRIPTION_DOMAIN_NAME: mapping.domainName,
    SUBSCRIPTION_CLUSTER_ID: mapping.clusterId,
    SUBSCRIPTION_TENANT_ID: String(mapping.tenantId),
    SUBSCRIPTION_TENANT_DOMAIN: mapping.tenantDomain,
  };
}

function prefixed(prefix: string, properties: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(properties).map(([key, value]) => [`${prefix}${key}`, value]));
}

function sizeOf(value: Value): number {
  return typeof value === 'string' ? Buffer.byteLength(value) : value.byteLength;
}

function textOf(value: Value): string {
  return typeof value === 'string' ? value : new TextDecoder().decode(value);
}

/** A variable ends at its first NUL: the whole run would be refused because of it. */
function withoutNul(variables: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => !value.includes('\0')));
}
