// Lists and records by tenant, each made anew: the context of the machine is never changed in place.

export function withTenant(tenants: readonly string[], tenantId: string): readonly string[] {
  return tenants.includes(tenantId) ? tenants : [...tenants, tenantId];
}

export function withoutTenant(tenants: readonly string[], tenantId: string | null): readonly string[] {
  return tenants.filter((it) => it !== tenantId);
}

export function withoutKey<T>(record: Readonly<Record<string, T>>, key: string): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(record).filter(([it]) => it !== key));
}
