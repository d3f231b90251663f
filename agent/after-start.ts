const startMs = 1_000;

/**
 * A library that the start does not wait for: loaded when it is needed, and soon after the start in any case. An agent
 * lives long, and the files it was installed from may be others by then.
 */
export function afterStart<Library>(load: () => Promise<Library>): () => Promise<Library> {
  let library: Promise<Library> | null = null;
  const get = () => {
    library ??= load();
    return library;
  };
  // What cannot be loaded is told when it is needed.
  setTimeout(() => get().catch(() => {}), startMs).unref();
  return get;
}
