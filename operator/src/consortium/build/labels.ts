import { childLabels } from '../../workload/labels.ts';

/** Labels of what belongs to an organization as a whole. */
export function organizationLabels(consortium: string, organization: string): Record<string, string> {
  return childLabels({ program: 'goquorum', instance: consortium, consortium, organization, component: 'consortium' });
}

/** Where a manifest goes. */
export interface Place {
  readonly consortium: string;
  readonly organization: string;
  readonly namespace: string;
}
