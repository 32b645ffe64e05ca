/** The Linux fabric keeps the promises of fabrics: real namespaces, real rules, real programs. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describeProblem } from "../../src/base/problem.ts";
import { endWorld, startWorld } from "../../src/fabric/linux/world.ts";
import { describeFabric } from "./fabric.conformance.ts";

const ENTRY = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

describeFabric("the Linux fabric", async () => {
  const home = await mkdtemp(join(tmpdir(), "ase-conformance-"));
  const started = await startWorld({ home, entry: ENTRY });
  if (!started.ok) throw new Error(describeProblem(started.problem));
  return {
    fabric: started.value,
    close: async () => {
      started.value.disconnect();
      await endWorld(home);
      await rm(home, { recursive: true, force: true });
    },
  };
});
