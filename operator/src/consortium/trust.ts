import { bundle, stableTrustBundle, trustBundle } from '../pki/authority.ts';
import type { Observation, ObservedOrganization } from './observation.ts';

/** What an organization's own processes trust, the authority that issues first. Undefined while it has none. */
export function organizationBundle({ authority, rotation, managed }: ObservedOrganization): string | undefined {
  if (authority.kind !== 'present') return undefined;
  if (managed) return managed.bundle;
  return bundle([rotation ? trustBundle(rotation.state) : authority.value]);
}

/**
 * Authorities of all members by name of organization; undefined while one hosted here is unknown, so that a bundle never shrinks by accident.
 * Its order does not change in the moment in which a new authority begins to issue: managers that read it at their start would restart for nothing.
 */
export function membersBundle({ consortium, organizations, claims }: Observation): string | undefined {
  if (claims.length !== organizations.length || organizations.some(({ authority }) => authority.kind !== 'present'))
    return undefined;
  const pems = [...consortium.spec.organizations]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, remote }) => {
      const hosted = organizations.find((organization) => organization.name === name);
      if (!hosted) return remote?.caBundle ?? '';
      return hosted.rotation ? stableTrustBundle(hosted.rotation.state) : (organizationBundle(hosted) ?? '');
    });
  return bundle(pems);
}
