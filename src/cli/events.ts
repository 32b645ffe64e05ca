/**
 * The server's events: read from a number on, waited for, and shown as lines.
 */
import type { JsonValue } from "../arm/json.ts";
import { found, type Result } from "../base/problem.ts";
import type { Client } from "./client.ts";
import { integerAt, listAt, textAt } from "./read.ts";

export type Event = {
  readonly sequence: number;
  readonly time: string;
  readonly level: string;
  readonly code: string;
  readonly subject: string;
  readonly message: string;
  readonly raw: JsonValue;
};

export type EventPage = { readonly events: readonly Event[]; readonly newest: number };

/** @param waitSeconds how long the server may wait for one; 0: answers at once */
export async function readEvents(
  client: Client,
  after: number,
  waitSeconds: number,
): Promise<Result<EventPage>> {
  const answer = await client.get(`/openase/events?after=${after}&wait=${waitSeconds}`);
  if (!answer.ok) return answer;
  const events = listAt(answer.value, "events").map(readEvent);
  return found({ events, newest: integerAt(answer.value, "newest") ?? after });
}

/** The subject's last name: the id is in `-o json`. */
export function shortSubject(subject: string): string {
  return subject.split("/").at(-1) ?? subject;
}

export function timeText(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return "";
  return `${new Date(milliseconds).toISOString().replace("T", " ").slice(0, 23)}Z`;
}

function readEvent(raw: JsonValue): Event {
  return {
    sequence: integerAt(raw, "sequence") ?? 0,
    time: timeText(integerAt(raw, "time")),
    level: textAt(raw, "level") ?? "",
    code: textAt(raw, "code") ?? "",
    subject: textAt(raw, "subject") ?? "",
    message: textAt(raw, "message") ?? "",
    raw,
  };
}
