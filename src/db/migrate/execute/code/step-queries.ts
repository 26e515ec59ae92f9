import { isServerError, type ServerError } from "../../../connection/session.ts";
import type { StepRow } from "../../code/definition.ts";
import { fromText, type ReplyColumn, toText } from "../../code/values.ts";
import type { MessageName, Session } from "../../run-types.ts";
import type { Asked } from "./code-trouble.ts";
import { StepMisuse } from "./misuse.ts";
import { refuseInStep } from "./refuse-in-step.ts";

/** Rows of a reply, as whoever asked reads them. */
export interface StepReply {
  readonly objects: () => readonly StepRow[];
  readonly lists: () => readonly (readonly unknown[])[];
}

/** The way of a step's queries to the server, which can be shut. */
export interface StepQueries extends Asked {
  /** @throws ServerError, SessionLost; StepMisuse once it is shut */
  readonly send: (
    text: string,
    parameters: readonly unknown[],
    by: "user" | "drizzle",
  ) => Promise<StepReply>;
  /** Nothing is sent any more. */
  readonly shut: () => void;
  /** Cancels what is on its way, and waits until all of it has come back. */
  readonly drain: () => Promise<void>;
  /** How many are on their way. */
  readonly underWay: () => number;
}

const CANCEL_AGAIN_MS = 300;

/** Queries on the session of a run, inside of its open transaction. */
export function stepQueries(session: Session, name: MessageName): StepQueries {
  const sent = new Set<{ readonly cancel: () => Promise<void> }>();
  let count = 0;
  let isShut = false;
  // Queries go in the order in which they are asked, whatever reading them takes.
  let before: Promise<unknown> = Promise.resolve();
  let firstError: ServerError | undefined;
  const askedAt = new WeakMap<Error, Error>();

  const ask = async (
    text: string,
    parameters: readonly (string | null)[],
    by: "user" | "drizzle",
  ): Promise<StepReply> => {
    const judged = before.then(() => refuseInStep(text));
    before = judged.catch(() => undefined);
    await judged;
    if (isShut) throw ended();
    let columns: readonly ReplyColumn[] = [];
    const rows: (readonly unknown[])[] = [];
    const one = await session.send(name, text, {
      parameters,
      onTexts: (row, of) => {
        columns = of;
        rows.push(
          row.map((cell, i) => fromText(cell?.toString("utf8") ?? null, of[i]?.type ?? 0, by)),
        );
      },
    });
    sent.add(one);
    try {
      await one.reply;
    } catch (error) {
      if (isServerError(error)) firstError ??= error;
      throw error;
    } finally {
      sent.delete(one);
    }
    return {
      lists: () => rows,
      objects: () =>
        rows.map((row) => Object.fromEntries(columns.map((column, i) => [column.name, row[i]]))),
    };
  };

  return {
    send: async (text, parameters, by) => {
      if (isShut) throw ended();
      const texts = parameters.map(toText);
      // Taken now: the server's error comes from the socket, and does not know who asked.
      const here = new Error("asked here");
      count += 1;
      try {
        return await ask(text, texts, by);
      } catch (error) {
        if (error instanceof Error) askedAt.set(error, here);
        throw error;
      } finally {
        count -= 1;
      }
    },
    shut: () => {
      isShut = true;
    },
    drain: async () => {
      while (sent.size > 0) {
        // A cancel that comes between two messages is lost.
        for (const { cancel } of sent) await cancel();
        if (sent.size > 0) await new Promise((resolve) => setTimeout(resolve, CANCEL_AGAIN_MS));
      }
    },
    underWay: () => count,
    firstError: () => firstError,
    askedAt: (error) => askedAt.get(error),
  };
}

function ended(): StepMisuse {
  return new StepMisuse(
    "its context was used after the step had ended",
    "Await all that the step does before `run` returns.",
  );
}
