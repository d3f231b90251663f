/**
 * The metadata service of the platform: lists of text by key, per application, or per cluster of it. The agent retries
 * what may succeed later. @see protocol.md section 11
 */
export interface MetadataClient {
  /** The values of a key; null if there is none. */
  readonly get: (key: string, options?: MetadataOptions) => Promise<readonly string[] | null>;
  /** Adds values to a key of the application; for a cluster it replaces them. */
  readonly put: (key: string, values: string | readonly string[], options?: MetadataOptions) => Promise<void>;
  /** Removes a key of the application, or one of its values. */
  readonly delete: (key: string, value?: string) => Promise<void>;
}

export interface MetadataOptions {
  /** The label of a cluster, as agreed on in the application: its alias, or its id. Without: the whole application. */
  readonly cluster?: string;
}
