import type { Secret } from '../secret.ts';
import type { Server } from './addresses.ts';

/** All that was configured, checked, with defaults. Frozen. Null means "not set"; times are in ms, sizes in bytes. */
export interface Config {
  readonly instance: InstanceConfig;
  readonly broker: BrokerConfig;
  readonly ports: PortsConfig;
  readonly artifacts: ArtifactsConfig;
  readonly health: HealthConfig;
  readonly hooks: HooksConfig;
  /** The options of plugins as written, by the name of the plugin; each plugin parses its own. May hold secrets. */
  readonly plugins: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly loadBalancer: {
    readonly clusterId: string | null;
    readonly privateIp: string | null;
    readonly publicIp: string | null;
  };
  readonly termination: {
    readonly budgetMs: number;
    /** Whether SIGTERM takes the instance down. */
    readonly onSigterm: boolean;
    readonly sigtermBudgetMs: number;
  };
  readonly activationDeadlineMs: number | null;
  readonly stateDir: string;
  /** `format` null: pretty on a terminal, otherwise json. */
  readonly log: {
    readonly level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace';
    readonly format: 'json' | 'pretty' | null;
  };
  readonly thrift: ThriftConfig;
  readonly monitoring: MonitoringConfig;
  readonly metadata: MetadataConfig;
}

/** Who this instance is. @see protocol.md 6.2 */
export interface InstanceConfig {
  readonly applicationId: string;
  readonly serviceName: string;
  readonly clusterId: string;
  readonly memberId: string;
  readonly clusterInstanceId: string | null;
  readonly networkPartitionId: string | null;
  readonly partitionId: string | null;
  readonly tenantId: number | null;
  readonly multiTenant: boolean;
  readonly alias: string | null;
  readonly dependencyClusterIds: readonly string[];
}

export interface BrokerConfig {
  /** In the order of preference, at least one. */
  readonly servers: readonly Server[];
  readonly username: string | null;
  readonly password: Secret | null;
  readonly protocolVersion: 4 | 5;
  readonly tls: TlsConfig | null;
}

/** The first three are absolute paths of PEM files that existed at the start. */
export interface TlsConfig {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  readonly servername: string | null;
}

export interface PortsConfig {
  /** Empty when the cartridge has none. */
  readonly numbers: readonly number[];
  readonly host: string;
  readonly timeoutMs: number;
}

export interface ArtifactsConfig {
  /** REPO_URL is set: the instance becomes active only with its artifacts in place. */
  readonly expected: boolean;
  /** APPLICATION_PATH, absolute. */
  readonly path: string | null;
  /** CARTRIDGE_KEY, which decrypts the passwords of repositories. */
  readonly key: Secret | null;
  readonly protocols: readonly ('https' | 'ssh' | 'http' | 'git' | 'file')[];
  /** A branch, a tag, or a commit by its whole id; null for the HEAD of the repository. */
  readonly branch: string | null;
  readonly timeoutMs: number;
  readonly maxBytes: number | null;
  readonly retries: number;
  readonly retryIntervalMs: number;
  readonly updateEnabled: boolean;
  readonly updateIntervalMs: number;
  readonly autoCheckout: boolean;
  readonly commitEnabled: boolean;
  readonly commitIdentity: { readonly name: string; readonly email: string };
  readonly drift: 'report' | 'restore' | 'keep';
  readonly layout: 'in-place' | 'releases';
  readonly releasesKept: number;
  readonly verify: {
    readonly policy: 'none' | 'signed-commit' | 'signed-tag';
    /** Absolute. */
    readonly signersFile: string | null;
    /** For the ports to answer after a switch to another release. */
    readonly timeoutMs: number;
  };
  /** Absolute; null for what ssh does by itself. */
  readonly ssh: { readonly key: string | null; readonly knownHosts: string | null };
  readonly backup: boolean;
  /** Both below `path`, with a slash at either end. @see protocol.md 8.2 */
  readonly superTenantPath: string;
  readonly tenantPath: string;
}

export interface HealthConfig {
  readonly enabled: boolean;
  readonly intervalMs: number;
}

export interface HooksConfig {
  readonly extensionsDir: string;
  readonly pluginsDir: string;
  readonly timeoutMs: number;
  /** Whether scripts get what `isSecretParam` tells apart. */
  readonly passSecrets: boolean;
  readonly paramFilePath: string;
  /** What scripts are given, secrets too: all of launch-params that is set, with what agent.conf overrides of it. */
  readonly launchParams: ReadonlyMap<string, string>;
  readonly lvsVirtualIp: string | null;
  readonly persistenceMapping: string | null;
  readonly applicationPath: string | null;
}

/** The CEP nodes; no receivers: statistics go to the broker only. @see protocol.md 9 */
export interface ThriftConfig {
  readonly receivers: readonly Server[];
  readonly username: string | null;
  readonly password: Secret | null;
  /** Of the monitoring server too. `ca`: an absolute path, as in `TlsConfig`. */
  readonly tls: { readonly ca: string | null; readonly servername: string | null; readonly verify: boolean };
}

/** Log publishing: when enabled, all but `port` and `logFiles` are set. @see protocol.md 10 */
export interface MonitoringConfig {
  readonly enabled: boolean;
  readonly host: string | null;
  readonly port: number | null;
  readonly securePort: number | null;
  readonly username: string | null;
  readonly password: Secret | null;
  readonly logFiles: readonly string[];
  readonly bytesPerSecond: number;
  /** Of lines that wait for the server. */
  readonly bufferBytes: number;
}

/** @see protocol.md 11 */
export interface MetadataConfig {
  readonly url: string | null;
  readonly token: Secret | null;
}
