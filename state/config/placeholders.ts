/** What the image or Puppet should have replaced in the originals' template of agent.conf. @see protocol.md 6.3, 12 */
const placeholders = new Set(
  `MB-IP MB-PORT MB-URLS MB-USERNAME MB-PASSWORD MB-PUBLISHER-TIMEOUT LISTEN-ADDR CEP-URLS CEP-IP CEP-PORT
  CEP-ADMIN-USERNAME CEP-ADMIN-PASSWORD ENABLE-HEALTH-PUBLISHER LB-PRIVATE-IP LB-PUBLIC-IP ENABLE-ARTFCT-UPDATE
  COMMIT-ENABLED CHECKOUT-ENABLED ARTFCT-UPDATE-INT ARTFCT-CLONE-RETRIES ARTFCT-CLONE-INT PORT-CHECK-TIMEOUT
  ENABLE-DATA-PUBLISHER MONITORING-SERVER-IP MONITORING-SERVER-PORT MONITORING-SERVER-SECURE-PORT
  MONITORING-SERVER-ADMIN-USERNAME MONITORING-SERVER-ADMIN-PASSWORD LOG-FILE-PATHS APPLICATION-PATH
  METADATA-SERVICE-URL ENABLE-INITIAL-ARTIFACT-BACKUP`.split(/\s+/),
);

/** Is this value nothing but placeholders that nobody replaced, such as `LOG_FILE_PATHS` or `MB-IP:MB-PORT`? */
export function isPlaceholder(value: string): boolean {
  const words = value.split(/[,|:\s]+/).filter((word) => word !== '');
  return words.length > 0 && words.every((word) => placeholders.has(word.replaceAll('_', '-')));
}
