/** `ase diff`: flows gained and lost between two states of a network. */
import { found } from "../../base/problem.ts";
import { diff, type Difference, type FlowChange } from "../../check/diff.ts";
import { EXIT } from "../refusals.ts";
import type { Ending, Session } from "../session.ts";
import { readRequest, refuse, type InputOptions } from "./check-inputs.ts";

export type DiffOptions = InputOptions & { readonly output: "text" | "json" };

/** Exit code 0: nothing changes, 1: something does, as of other programs of this name. */
export async function diffNetworks(
  session: Session,
  [old, now]: readonly [string, string | undefined],
  options: DiffOptions,
): Ending {
  const { terminal } = session;
  if (now === undefined) return await rehearseChange(session, old, options);
  const before = await readRequest(session, [old], options);
  if (!before.ok) return refuse(session, before.problem);
  const after = await readRequest(session, [now], options);
  if (!after.ok) return refuse(session, after.problem);
  const compared = diff(before.value, after.value);
  if (!compared.ok) return refuse(session, compared.problem);
  const same = compared.value.every(isNothing);
  if (options.output === "json") terminal.print(JSON.stringify(compared.value, undefined, 2));
  else for (const one of compared.value) print(session, one);
  return found(same ? EXIT.done : EXIT.notAsWanted);
}

/** What the change would do to the running network, and to the flows seen in it. */
async function rehearseChange(session: Session, change: string, options: DiffOptions): Ending {
  if (options.server !== true)
    return refuse(session, {
      code: "WrongUse",
      what: "there is one state only, and nothing to compare it with",
      fix: "Name two states, or give --server to compare with what runs.",
    });
  const before = await readRequest(session, [], options);
  if (!before.ok) return refuse(session, before.problem);
  const after = await readRequest(session, [change], options);
  if (!after.ok) return refuse(session, after.problem);
  const compared = diff(before.value, after.value);
  if (!compared.ok) return refuse(session, compared.problem);
  if (options.output === "text") for (const one of compared.value) print(session, one);
  const { rehearse } = await import("./rehearse.ts");
  return await rehearse(session, before.value, after.value, options.output);
}

function isNothing({ verdicts, gained, lost, routes }: Difference): boolean {
  return verdicts.length + gained.length + lost.length + routes.length === 0;
}

function print({ terminal }: Session, difference: Difference): void {
  const { environment, verdicts, gained, lost, more, routes } = difference;
  if (isNothing(difference)) {
    terminal.print(`${environment}: every packet fares as before.`);
    return;
  }
  terminal.print(terminal.tone("strong", `${environment}:`));
  for (const { title, id, before, after } of verdicts)
    terminal.print(
      terminal.tone(
        after === "proven" ? "good" : "bad",
        `  ${after === "violated" ? "✗" : after === "proven" ? "✓" : "~"} ${title} (${id}): ${before} -> ${after}`,
      ),
    );
  const flows = (mark: string, tone: "good" | "bad", changes: readonly FlowChange[]) => {
    for (const { direction, sentence, packet } of changes) {
      terminal.print(terminal.tone(tone, `  ${mark} ${direction.toLowerCase()}: ${sentence}`));
      terminal.print(`      e.g. ${packet}`);
    }
  };
  flows("+", "good", gained);
  flows("-", "bad", lost);
  for (const { to, before, after } of routes)
    terminal.print(`  > ${to}\n      was ${before}\n      is  ${after}`);
  if (more) terminal.print("  and more; not all sets of packets are listed");
}
