import { peerService } from '../../consensus/peer-service.ts';
import {
  CONFIGMAPS,
  LIMITRANGES,
  NAMESPACES,
  NETWORKPOLICIES,
  RESOURCEQUOTAS,
  ROLEBINDINGS,
  SERVICES,
} from '../../kube/resources.ts';
import type { KubeObject, ResourceType } from '../../kube/types.ts';
import { objectNames } from '../../names.ts';
import { bundle } from '../../pki/authority.ts';
import type { Claim } from '../claims.ts';
import { mayBeTrusted } from '../decide.ts';
import { type MemberDirectory, sortDirectory } from '../directory.ts';
import { hostedValidators, type Observation } from '../observation.ts';
import { membersBundle, organizationBundle } from '../trust.ts';
import { allowDns } from './allow-dns.ts';
import { caConfigMap } from './ca-config-map.ts';
import { defaultDeny } from './default-deny.ts';
import type { Place } from './labels.ts';
import { limitRange } from './limit-range.ts';
import { membersConfigMap } from './members-config-map.ts';
import { namespace } from './namespace.ts';
import { quota } from './quota.ts';
import { roleBinding } from './role-binding.ts';

/** A manifest together with the resource it is applied to. */
export interface Child {
  readonly type: ResourceType;
  readonly manifest: KubeObject;
}

/** What must be there before anything can be read in a namespace: the namespace and the operator's rights in it. */
export function foundation(consortium: string, claim: Claim, operator: Observation['operator']): Child[] {
  const place = { consortium, organization: claim.organization.name, namespace: claim.namespace };
  return [
    { type: NAMESPACES, manifest: namespace(place) },
    { type: ROLEBINDINGS, manifest: roleBinding(place, operator) },
  ];
}

/**
 * Everything that is applied (and put back when somebody edits it) in the namespaces of ours. Keys, authorities and genesis are not here: they are
 * created once, see `decide`.
 * @param directory undefined while a validator's key or address is unknown; the stored directory stays as it is then.
 */
export function children(observation: Observation, directory: MemberDirectory | undefined): Child[] {
  return observation.organizations.flatMap((organization) => {
    const place = {
      consortium: observation.consortium.metadata.name,
      organization: organization.name,
      namespace: organization.namespace,
    };
    return [
      { type: NETWORKPOLICIES, manifest: defaultDeny(place) },
      { type: NETWORKPOLICIES, manifest: allowDns(place) },
      { type: RESOURCEQUOTAS, manifest: quota(place) },
      { type: LIMITRANGES, manifest: limitRange(place) },
      ...peerServices(observation, place),
      ...trust(observation, organization, place),
      ...(directory ? [{ type: CONFIGMAPS, manifest: membersConfigMap(place, sortDirectory(directory)) }] : []),
    ];
  });
}

function peerServices(observation: Observation, place: Place): Child[] {
  return hostedValidators(observation)
    .filter((node) => node.namespace === place.namespace)
    .map((node) => ({ type: SERVICES, manifest: peerService({ ...place, node: node.name }) }));
}

function trust(observation: Observation, organization: Observation['organizations'][number], place: Place): Child[] {
  const configMap = (...[name, pem, issuer]: DropFirst<Parameters<typeof caConfigMap>>) => ({
    type: CONFIGMAPS,
    manifest: caConfigMap(place, name, pem, issuer),
  });
  // Nothing is to rest on an authority of which it is not certain that it is one organization's alone.
  const own = mayBeTrusted(observation) ? organizationBundle(organization) : undefined;
  const members = mayBeTrusted(observation) ? membersBundle(observation) : undefined;
  return [
    configMap(objectNames.operatorCa, bundle([observation.operatorAuthority.caPem])),
    ...(own === undefined ? [] : [configMap(objectNames.organizationCa, own, organization.managed?.issuer)]),
    ...(members === undefined ? [] : [configMap(objectNames.membersCa, members)]),
  ];
}

type DropFirst<T extends readonly unknown[]> = T extends readonly [unknown, ...infer Rest] ? Rest : never;
