/** Starts a child in namespaces of its own and reads what its scenarios saw. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const CHILD = fileURLToPath(new URL("child.testing.ts", import.meta.url));
const TIMEOUT_MS = 50_000;

export type Privilege = "root" | "rootless";

/** Answers by name of the scenario; a scenario that failed throws when it is asked for. */
export async function playScenarios(
  file: URL,
  privilege: Privilege = "root",
): Promise<(name: string) => unknown> {
  const lines = await runInNamespaces([CHILD, fileURLToPath(file)], privilege);
  const answers = new Map(
    lines.map((line) => {
      const answer = JSON.parse(line) as { readonly name: string };
      return [answer.name, answer as { readonly saw?: unknown; readonly failed?: string }] as const;
    }),
  );
  return (name) => {
    const answer = answers.get(name);
    if (answer === undefined) throw new Error(`there is no scenario "${name}"`);
    if (answer.failed !== undefined) throw new Error(answer.failed);
    return answer.saw;
  };
}

/** Runs a program of this repository; nothing of its world stays when it ends. */
export async function runInNamespaces(
  argv: readonly string[],
  privilege: Privilege = "root",
): Promise<readonly string[]> {
  const user = privilege === "rootless" ? ["-U", "-r"] : [];
  const namespaces = [...user, "-n", "-m", "-p", "-f", "--mount-proc", "--kill-child"];
  const child = spawn("unshare", [...namespaces, process.execPath, ...argv], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`the child ended with ${String(code)}: ${errors}${output}`);
  return output.split("\n").filter((line) => line !== "");
}
