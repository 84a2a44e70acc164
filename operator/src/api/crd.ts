import { GROUP, VERSION } from '../names.ts';
import { consortiumDefinition } from './consortium.ts';
import type { KindDefinition, PrinterColumn } from './definition.ts';
import { hsmSignerDefinition } from './hsm-signer.ts';
import { quorumNodeDefinition } from './quorum-node.ts';
import { type StructuralSchema, structuralSchema } from './structural.ts';
import { tesseraNodeDefinition } from './tessera-node.ts';

/** Category of all kinds: `kubectl get quorum -A`. */
const CATEGORY = 'quorum';

export const kindDefinitions: readonly KindDefinition[] = [
  consortiumDefinition,
  quorumNodeDefinition,
  tesseraNodeDefinition,
  hsmSignerDefinition,
];

/** A CustomResourceDefinition manifest. */
export interface CustomResourceDefinition {
  apiVersion: 'apiextensions.k8s.io/v1';
  kind: 'CustomResourceDefinition';
  metadata: { name: string };
  spec: {
    group: string;
    scope: 'Cluster' | 'Namespaced';
    names: {
      kind: string;
      listKind: string;
      plural: string;
      singular: string;
      shortNames: string[];
      categories: string[];
    };
    versions: {
      name: string;
      served: boolean;
      storage: boolean;
      subresources: { status: object };
      additionalPrinterColumns: PrinterColumn[];
      schema: { openAPIV3Schema: object };
    }[];
  };
}

/** The CRD of one kind. Pure: equal definitions give equal manifests. */
export function customResourceDefinition(definition: KindDefinition): CustomResourceDefinition {
  const { resource } = definition;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${resource.plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: resource.namespaced ? 'Namespaced' : 'Cluster',
      names: {
        kind: resource.kind,
        listKind: `${resource.kind}List`,
        plural: resource.plural,
        singular: resource.kind.toLowerCase(),
        shortNames: [definition.shortName],
        categories: [CATEGORY],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: printerColumns(definition.columns),
          schema: { openAPIV3Schema: objectSchema(definition) },
        },
      ],
    },
  };
}

function objectSchema(definition: KindDefinition): object {
  const { spec, status } = schemas(definition);
  return {
    description: definition.description,
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { description: `Always ${GROUP}/${VERSION}.`, type: 'string' },
      kind: { description: `Always ${definition.resource.kind}.`, type: 'string' },
      metadata: { type: 'object' },
      spec,
      // The default tells kstatus (Flux, Helm, kpt) that a resource the operator has not seen yet is not ready.
      status: { ...status, default: { observedGeneration: -1 } },
    },
    'x-kubernetes-validations': definition.rules,
  };
}

/** The structural schemas of spec and status, with their descriptions. */
export function schemas(definition: KindDefinition): { spec: StructuralSchema; status: StructuralSchema } {
  const kind = definition.resource.kind;
  return {
    spec: { description: `What the ${kind} should be.`, ...structuralSchema(definition.spec, `${kind}.spec`) },
    status: {
      description: `What the ${kind} is, as last observed. Written by the operator.`,
      ...structuralSchema(definition.status, `${kind}.status`),
    },
  };
}

function printerColumns(own: readonly PrinterColumn[]): PrinterColumn[] {
  const ready = '.status.conditions[?(@.type=="Ready")]';
  return [
    { name: 'Ready', type: 'string', jsonPath: `${ready}.status`, description: 'Whether it does what it should.' },
    { name: 'Reason', type: 'string', jsonPath: `${ready}.reason`, description: 'Why, in one word.' },
    ...own,
    { name: 'Message', type: 'string', jsonPath: `${ready}.message`, description: 'Why, in a sentence.', priority: 1 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ];
}
