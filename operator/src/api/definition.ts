import type { z } from 'zod';
import type { ResourceType } from '../kube/types.ts';

/** A column of `kubectl get`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date' | 'boolean';
  readonly jsonPath: string;
  readonly description?: string;
  /** 1 shows the column with `-o wide` only. */
  readonly priority?: number;
}

/** Everything from which the CRD and the reference page of one kind are made. */
export interface KindDefinition {
  readonly resource: ResourceType;
  readonly shortName: string;
  /** First sentence of `kubectl explain` and of the reference page. */
  readonly description: string;
  readonly spec: z.ZodType;
  readonly status: z.ZodType;
  /** Rules over the whole object, where `metadata.name` can be seen. */
  readonly rules: readonly { readonly rule: string; readonly message: string }[];
  /** The kind's own columns, shown between REASON and MESSAGE. */
  readonly columns: readonly PrinterColumn[];
}

/** A rule that bounds the length of the object's name, so that names made from it stay legal. */
export function nameRule(maxLength: number): { rule: string; message: string } {
  return {
    rule: `self.metadata.name.size() <= ${maxLength} && !self.metadata.name.contains('.')`,
    message: `metadata.name must be a DNS label of at most ${maxLength} characters: names of child objects are made from it`,
  };
}
