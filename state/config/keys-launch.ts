import { ports } from './addresses.ts';
import { key } from './key.ts';
import { absolutePath, barList, cartridgeKey, flag, integer, secret, text } from './kinds.ts';

/** What the platform tells this instance about itself. @see protocol.md 6.2 */
export const identityKeys = {
  APPLICATION_ID: key(text, 'The application.', { example: 'shop-app' }),
  SERVICE_NAME: key(text, 'The cartridge type.', { example: 'php' }),
  CLUSTER_ID: key(text, 'The own cluster.', { example: 'shop-app.web.php.domain' }),
  MEMBER_ID: key(text, 'The own member.', { example: 'shop-app.web.php.domain1c2f6d0e' }),
  CLUSTER_INSTANCE_ID: key(text, 'Goes into events and statistics as it is.', { example: 'shop-app-1' }),
  NETWORK_PARTITION_ID: key(text, 'Goes into events and statistics as it is.', { example: 'network-partition-1' }),
  PARTITION_ID: key(text, 'Goes into events and statistics as it is.', { example: 'partition-1' }),
  TENANT_ID: key(integer(-(2 ** 31), 2 ** 31 - 1), 'Who deployed the application; -1234 is the super tenant.', {
    example: '1',
  }),
  MULTITENANT: key(flag, 'Whether the cartridge serves several tenants.', { fallback: 'false' }),
  CARTRIDGE_ALIAS: key(text, 'The alias in the application definition.', { example: 'web' }),
  PORTS: key(ports, 'The ports that must answer before the instance is active.', { example: '80|443' }),
  REPO_URL: key(text, 'Only a flag: when set, activation waits for artifacts. The URL comes with the event.', {
    example: 'https://git.example.org/shop/web.git',
  }),
  APPLICATION_PATH: key(absolutePath, 'Where the artifacts go.', { example: '/var/www/html' }),
  CARTRIDGE_KEY: key(cartridgeKey, 'What the passwords of repositories are encrypted with.', {
    example: '0123456789abcdef',
  }),
  COMMIT_ENABLED: key(flag, 'Whether local changes are committed and pushed. Wins over auto.commit.', {
    example: 'false',
  }),
  DEPENDENCY_CLUSTER_IDS: key(barList, 'The clusters this one depends on.', { example: 'shop-app.db.mysql.domain' }),
  LB_CLUSTER_ID: key(text, 'The cluster of the load balancer.', { example: 'shop-app.lb.domain' }),
  LVS_VIRTUAL_IP: key(text, 'Address and netmask: asks for the dummy interface.', {
    example: '192.0.2.40|255.255.255.0',
  }),
  PERSISTENCE_MAPPING: key(text, 'Device, volume and mount point, and so on: asks for volumes to be mounted.', {
    example: '/dev/vdb|vol-0001|/mnt/data',
  }),
  TOKEN: key(secret, 'The token for the metadata service.', { example: 'change-me' }),
};

/** The agent does not look at these; scripts get them. @see protocol.md 6.2 */
export const scriptKeys = {
  HOST_NAME: key(text, 'The host name of the cluster.', { example: 'shop-app.web.php.example.org' }),
  GROUP_NAME: key(text, 'The group.', { example: 'shop-group' }),
  TENANT_RANGE: key(text, 'Always *; the real range is in the topology.', { example: '*' }),
  DEPLOYMENT: key(text, 'default, manager or worker.', { example: 'default' }),
  PORT_MAPPINGS: key(text, 'The ports with their names, protocols and proxy ports.', {
    example: 'NAME:http-80|PROTOCOL:http|PORT:80|PROXY_PORT:8280|TYPE:NodePort',
  }),
  PROVIDER: key(text, 'Who provides the cartridge.', { example: 'apache' }),
  PUPPET_IP: key(text, 'The Puppet server.', { example: '10.0.0.5' }),
  PUPPET_HOSTNAME: key(text, 'The Puppet server.', { example: 'puppet.example.org' }),
  PUPPET_DNS_AVAILABLE: key(text, 'Holds what PUPPET_ENV should, and the other way round.', { example: 'production' }),
  PUPPET_ENV: key(text, 'Holds what PUPPET_DNS_AVAILABLE should.', { example: 'false' }),
  EXPORT_METADATA_KEYS: key(text, 'What this instance is to tell the metadata service.', {
    example: 'web-PUBLIC_URL',
  }),
  IMPORT_METADATA_KEYS: key(text, 'What this instance wants from the metadata service.', {
    example: 'shop-app-MYSQL_HOST',
  }),
  DEPENDENCY_ALIASES: key(text, 'The aliases of what this cartridge depends on.', { example: 'db|cache' }),
  EXPORTING_PROPERTIES: key(text, 'Never filled by the platform.', { example: 'web' }),
  INSTANCE_ID: key(text, 'Never filled by the platform.', { example: 'i-0001' }),
  INTERNAL: key(text, 'Whether the cartridge is internal.', { example: 'false' }),
  MIN_COUNT: key(text, 'The least number of members of the cluster.', { example: '2' }),
  SCALING_DECISION_ID: key(text, 'What made the platform start this member.', { example: 'shop-app.web.php.domain-1' }),
  EC2_REGION: key(text, 'Only on EC2.', { example: 'eu-west-1' }),
  EC2_AVAILABILITY_ZONE: key(text, 'Only on EC2.', { example: 'eu-west-1a' }),
  KUBERNETES_CLUSTER_ID: key(text, 'Only on Kubernetes.', { example: 'kubernetes-1' }),
  CLUSTERING: key(text, 'An old hint.', { example: 'false' }),
  PRIMARY: key(text, 'An old hint.', { example: 'true' }),
  SERIVCE_GROUP: key(text, 'An old hint, spelt like this by the platform.', { example: 'shop' }),
  MANAGER_SERVICE_TYPE: key(text, 'An old hint.', { example: 'manager' }),
  WORKER_SERVICE_TYPE: key(text, 'An old hint.', { example: 'worker' }),
};
