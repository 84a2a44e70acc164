import type { ResourceType } from '../kube/types.ts';
import { GROUP, VERSION } from '../names.ts';

export const CONSORTIUMS: ResourceType = {
  group: GROUP,
  version: VERSION,
  plural: 'consortiums',
  kind: 'Consortium',
  namespaced: false,
};
export const QUORUMNODES: ResourceType = {
  group: GROUP,
  version: VERSION,
  plural: 'quorumnodes',
  kind: 'QuorumNode',
  namespaced: true,
};
export const TESSERANODES: ResourceType = {
  group: GROUP,
  version: VERSION,
  plural: 'tesseranodes',
  kind: 'TesseraNode',
  namespaced: true,
};
export const HSMSIGNERS: ResourceType = {
  group: GROUP,
  version: VERSION,
  plural: 'hsmsigners',
  kind: 'HsmSigner',
  namespaced: true,
};
