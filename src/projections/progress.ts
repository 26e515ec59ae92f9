/** Where something happened. */
export interface Place {
  /** Of the projection or reactor. */
  readonly projection: string;
  readonly instanceId: string;
}

/** What a runner tells of. */
export type RunnerProgress =
  /** Events were handled, and the position committed with what they wrote. */
  | (Place & {
      readonly kind: "advanced";
      readonly events: number;
      readonly position: number;
      readonly tookMs: number;
    })
  /** A batch failed and was rolled back; smaller ones look for the event that fails. */
  | (Place & { readonly kind: "bisecting"; readonly events: number; readonly error: string })
  /** A reactor failed, and tries this event again. */
  | (Place & {
      readonly kind: "trying-again";
      readonly position: number;
      readonly attempt: number;
      readonly error: string;
      readonly retryInMs: number;
    })
  /** An event cannot be handled: its aggregate is held back, and its later events with it. */
  | (Place & {
      readonly kind: "quarantined";
      readonly aggregateType: string;
      readonly aggregateId: string;
      readonly sequence: number;
      readonly position: number;
      readonly eventType: string;
      readonly error: string;
    })
  /** As many aggregates were quarantined in a row as may be: it stops here and tries now and then. */
  | (Place & {
      readonly kind: "halted";
      readonly quarantined: number;
      readonly error: string;
      readonly retryInMs: number;
    })
  /** No event is to blame: nothing was committed, and the same is tried again. */
  | {
      readonly kind: "retrying";
      /** Absent if it was the poll. */
      readonly projection?: string;
      readonly instanceId?: string;
      readonly error: string;
      readonly retryInMs: number;
    };

export type OnProgress = (progress: RunnerProgress) => void;
