import { inspect, isDeepStrictEqual } from "node:util";
import { errorCode, messageOf } from "../db/base/problem.ts";
import type { Aggregate, Decider, Decision, EventOf } from "./definition.ts";
import { checkPayload } from "./payload.ts";
import { foldUnique } from "./prepared-push.ts";

/**
 * Tests a decider without a database, in any test runner:
 *
 *   scenario(decider).given([…events]).when(command).thenEvents([…events]);
 *   scenario(decider).given([…]).when(command).thenRefuses("not_found");
 *
 * Each `then…` throws an error that shows both sides. Payloads are checked as on an append.
 */
export function scenario<A extends Aggregate, State, Command>(
  decider: Decider<A, State, Command>,
): Given<A, Command> {
  return {
    given: (history) => {
      const state = history.reduce(decider.evolve, decider.initial);
      return {
        when: (command) => outcomeOf(decider.aggregate, () => decider.decide(state, command)),
      };
    },
  };
}

export interface Given<A extends Aggregate, Command> {
  /** What has happened; the payloads are not checked. */
  readonly given: (history: readonly EventOf<A>[]) => {
    readonly when: (command: Command) => Then<EventOf<A>>;
  };
}

export interface Then<Event> {
  /** Exactly these events, in this order. */
  readonly thenEvents: (events: readonly Event[]) => Then<Event>;
  readonly thenNothing: () => Then<Event>;
  /** Exactly these values claimed and released, each as `type value`; folded as on an append. */
  readonly thenClaims: (claims: readonly string[], releases?: readonly string[]) => Then<Event>;
  /** Refused with an error of this `code`. */
  readonly thenRefuses: (code: string) => Then<Event>;
}

type Outcome<Event> =
  | { readonly kind: "decided"; readonly decision: Decision<Event> }
  | { readonly kind: "refused"; readonly error: unknown };

function outcomeOf<A extends Aggregate>(
  aggregate: A,
  decide: () => readonly EventOf<A>[] | Decision<EventOf<A>>,
): Then<EventOf<A>> {
  type Event = EventOf<A>;
  const outcome = ((): Outcome<Event> => {
    try {
      const decision = decide();
      return { kind: "decided", decision: "events" in decision ? decision : { events: decision } };
    } catch (error) {
      return { kind: "refused", error };
    }
  })();
  const decided = (): Decision<Event> => {
    if (outcome.kind === "decided") return outcome.decision;
    throw new Error(`The command was refused: ${messageOf(outcome.error)}`, {
      cause: outcome.error,
    });
  };
  const then: Then<Event> = {
    thenEvents: (expected) => {
      const { events } = decided();
      for (const event of events) checkPayload(aggregate, event);
      compare("events", events, expected);
      return then;
    },
    thenNothing: () => {
      compare("events", decided().events, []);
      return then;
    },
    thenClaims: (claims, releases = []) => {
      const { claim = [], release = [] } = decided();
      const shown = (values: typeof claim) =>
        values.map(({ type, value }) => `${type} ${foldUnique(value)}`).sort();
      compare("claims", shown(claim), [...claims].sort());
      compare("releases", shown(release), [...releases].sort());
      return then;
    },
    thenRefuses: (code) => {
      if (outcome.kind === "decided") {
        throw new Error(
          `The command was not refused (expected ${code}): ${inspect(outcome.decision.events, { depth: 6 })}`,
        );
      }
      const found = errorCode(outcome.error);
      if (found === code) return then;
      throw new Error(
        `The command was refused with ${found ?? "an error without a code"}; expected ${code}: ${messageOf(outcome.error)}`,
        { cause: outcome.error },
      );
    },
  };
  return then;
}

function compare(what: string, actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(actual, expected)) return;
  const show = (value: unknown) => inspect(value, { depth: 6, breakLength: 100 });
  throw new Error(`Other ${what}.\nexpected ${show(expected)}\nactual   ${show(actual)}`);
}
